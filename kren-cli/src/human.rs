//! Figures and names as people read them.

use std::io::IsTerminal;
use std::time::Duration;

/// Bytes with a unit of 1024.
pub(crate) fn bytes(count: u64) -> String {
    scaled(count as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// Things each second, with a unit of 1000.
pub(crate) fn rate(each_second: f64) -> String {
    scaled(each_second, 1000.0, &["", "k", "M", "G"])
}

/// Bytes each second.
pub(crate) fn byte_rate(each_second: f64) -> String {
    scaled(each_second, 1000.0, &["B/s", "kB/s", "MB/s", "GB/s"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut at = 0;
    while value >= step && at + 1 < units.len() {
        value /= step;
        at += 1;
    }
    let digits = usize::from(at > 0 && value < 99.95 && value.fract() > 0.04);
    format!("{value:.digits$} {}", units[at]).trim_end().into()
}

/// So many things.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{end}")
}

/// How full something is, from 0 to 1: what is not empty does not look so.
pub(crate) fn fill(part: f64) -> String {
    let percent = part * 100.0;
    match percent > 0.0 && percent < 1.0 {
        true => "<1%".into(),
        false => format!("{percent:.0}%"),
    }
}

/// A length of time in one or two units.
pub(crate) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A name as a terminal may be shown it: whoever made it may have put control characters in.
pub(crate) fn printable(name: &str) -> String {
    let is_bad = |character: char| character.is_control() || character == '\u{fffd}';
    name.chars()
        .flat_map(|character| match is_bad(character) {
            true => character.escape_default().collect::<Vec<_>>(),
            false => vec![character],
        })
        .collect()
}

/// The same for a text of several lines.
pub(crate) fn printable_text(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join("\n")
}

/// Reads a size as people write it: `4096`, `64K`, `1M`, `2GiB`.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(format!("{unit:?} is no unit: use K, M, G or T")),
    };
    let count: usize = digits
        .parse()
        .map_err(|_| "it is to be a number of bytes, as 4096, 64K or 1M".to_string())?;
    count
        .checked_mul(1 << shift)
        .ok_or_else(|| "it is more than this machine can count".into())
}

/// Reads a length of time in seconds, or with a unit: `0.5`, `10`, `200ms`, `2m`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("{unit:?} is no unit: use us, ms, s, m or h")),
    };
    let number: f64 = digits
        .parse()
        .map_err(|_| "it is to be a number of seconds, as 0.5, 10 or 200ms".to_string())?;
    Duration::try_from_secs_f64(number * scale)
        .map_err(|_| "it is to be a length of time that can be waited for".into())
}

/// Whether output may be coloured: on a terminal, unless `NO_COLOR` is set to anything.
pub(crate) fn has_colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !refused && !is_dumb && std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64K"), Ok(65_536));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("1mb"), Ok(1 << 20));
        for bad in ["", "K", "1X", "-1", "99999999999T", "1.5M"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_time("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_time("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "x", "-1", "1y", "1e300"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn figures_are_short_and_names_are_harmless() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(4096), "4 KiB");
        assert_eq!(bytes(1_610_612_736), "1.5 GiB");
        assert_eq!(rate(1_234_567.0), "1.2 M");
        assert_eq!(byte_rate(999.0), "999 B/s");
        assert_eq!(count(1, "message"), "1 message");
        assert_eq!(count(0, "message"), "0 messages");
        assert_eq!(
            [0.0, 0.004, 0.5, 1.0].map(fill),
            ["0%", "<1%", "50%", "100%"]
        );
        assert_eq!(age(Duration::from_secs(3_661)), "1h01m");
        assert_eq!(printable("a\u{1b}[31mä\n"), "a\\u{1b}[31mä\\n");
    }
}
