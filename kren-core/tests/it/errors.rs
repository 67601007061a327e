//! The published table of errors and the code say the same.

use kren_core::ErrorCode;

/// The rows of `docs/spec/errors.md`: number and name.
fn published() -> Vec<(u32, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spec/errors.md");
    let page = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let number = cells.next()?.parse().ok()?;
        let name = cells.next()?.trim_matches('`').to_owned();
        Some((number, name))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn the_published_table_is_the_one_in_the_code() {
    let built: Vec<(u32, String)> = ErrorCode::ALL
        .iter()
        .map(|code| (code.number(), code.name().to_owned()))
        .collect();
    assert_eq!(published(), built);
}

#[test]
fn numbers_and_names_are_each_used_once() {
    let numbers: std::collections::HashSet<u32> =
        ErrorCode::ALL.iter().map(|code| code.number()).collect();
    let names: std::collections::HashSet<&str> =
        ErrorCode::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(numbers.len(), ErrorCode::ALL.len());
    assert_eq!(names.len(), ErrorCode::ALL.len());
}
