//! Versions of programs, as far as they matter here.

/// Major and minor.
pub(crate) type Version = (u32, u32);

/// `3.11`, `v20.20.2` and `>=3.11` as (major, minor); a missing minor is 0.
pub(crate) fn read(text: &str) -> Option<Version> {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let major = parts.next()?.ok()?;
    let minor = parts.next().and_then(std::result::Result::ok).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_habit() {
        assert_eq!(read("3.11"), Some((3, 11)));
        assert_eq!(read("v20.20.2"), Some((20, 20)));
        assert_eq!(read(">=3.11"), Some((3, 11)));
        assert_eq!(read(">= 20"), Some((20, 0)));
        assert_eq!(read("none"), None);
        assert!(read("3.9") < read("3.11"));
    }
}
