//! Names with `*`, which stands for any characters, also none.

/// Whether `name` is one that `pattern` stands for.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((front, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(front) else {
        return false;
    };
    // Each way to let the star end.
    let ends = (0..=name.len()).filter(|at| name.is_char_boundary(*at));
    ends.into_iter().any(|at| matches(rest, &name[at..]))
}

/// Whether `name` is one that a channel can have.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars() {
        assert!(matches("sensor.*", "sensor.left"));
        assert!(matches("sensor.*", "sensor."));
        assert!(!matches("sensor.*", "sensors.left"));
        assert!(matches("*", "any"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b*c", "a-c-b"));
        assert!(matches("plain", "plain"));
        assert!(!matches("plain", "plainer"));
    }
}
