//! Names short enough for macOS, whatever the length of the channel's.

/// Longest name of a shared-memory object on macOS, in bytes, its slash included. (The header says
/// 31; whether the end of the string counts has changed between versions.)
const NAME_MAX: usize = 30;

/// FNV-1a, 128 bits: tells names and headers apart where nobody tries to make them alike.
pub(super) fn digest(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}

/// The shared-memory object's name for the channel `name`.
///
/// A long name gives way to 96 bits of its digest, behind a character that no channel name holds.
pub(super) fn short_name(name: &str) -> String {
    let plain = format!("/kren-{name}");
    if plain.len() <= NAME_MAX {
        return plain;
    }
    format!("/kren#{:024x}", digest(name.as_bytes()) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stay_and_long_ones_shrink() {
        assert_eq!(short_name("frames"), "/kren-frames");
        let longest = "n".repeat(NAME_MAX - "/kren-".len());
        assert_eq!(short_name(&longest), format!("/kren-{longest}"));
        for len in [longest.len() + 1, 100, 128] {
            let short = short_name(&"n".repeat(len));
            assert_eq!(short.len(), NAME_MAX, "{short}");
            assert!(short.starts_with("/kren#"), "{short}");
        }
    }

    #[test]
    fn long_names_that_differ_anywhere_stay_apart() {
        let name = "n".repeat(128);
        let mut seen = std::collections::HashSet::from([short_name(&name)]);
        for at in 0..name.len() {
            let mut other = name.clone();
            other.replace_range(at..=at, "m");
            assert!(seen.insert(short_name(&other)), "{other}");
        }
    }

    /// From the published test vectors of FNV: a name must lead to one object for ever.
    #[test]
    fn the_digest_is_fnv_1a() {
        assert_eq!(digest(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(digest(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
