//! Which of the tests that this system has did not run on another, and why.
//!
//! The list is made by comparing names, so that a test that is left out by mistake is a failure, and a reason that
//! has outlived its test is one too.

use std::collections::BTreeSet;

use super::Suite;
use crate::count::Count;
use crate::exec;
use crate::term::{self, Context as _, Failure, Result};
use crate::workspace::Workspace;

/// How the names of tests begin, and why they cannot run there.
pub(super) type Reasons = &'static [(&'static str, &'static str)];

/// Prints the list; what has no reason, and a reason without a test, count as failures.
pub(super) fn compare(
    workspace: &Workspace,
    target: &str,
    suite: &Suite,
    reasons: Reasons,
) -> Result<Count> {
    let here = tests_here(workspace)?;
    let there = names(&suite.output);
    let missing: BTreeSet<&String> = here.iter().filter(|name| !there.contains(*name)).collect();
    term::heading(&format!(
        "{target}: {} of the {} tests that Linux has on x86-64 ran, {} are its own; the rest, with the reason:",
        here.len() - missing.len(),
        here.len(),
        there.difference(&here).count()
    ));
    let mut count = Count::default();
    let mut explained = BTreeSet::new();
    for (prefix, reason) in reasons {
        let tests: Vec<&str> = missing
            .iter()
            .filter(|name| name.starts_with(prefix))
            .map(|name| name.as_str())
            .collect();
        if tests.is_empty() {
            println!("    FAILED: no test is left out for the reason given for {prefix}");
            count.failed += 1;
        }
        for name in &tests {
            println!("    {name}: {reason}");
        }
        explained.extend(tests);
    }
    for name in missing
        .iter()
        .filter(|name| !explained.contains(name.as_str()))
    {
        println!("    FAILED: {name} did not run, and no reason is known");
        count.failed += 1;
    }
    Ok(count)
}

/// The names of the core's unit and integration tests on this system.
fn tests_here(workspace: &Workspace) -> Result<BTreeSet<String>> {
    let list = workspace.cargo(&[
        "test",
        "--quiet",
        "--package",
        "kren-core",
        "--lib",
        "--test",
        "it",
        "--",
        "--list",
    ]);
    let (status, output) = exec::captured(list).context("cannot list the tests")?;
    if !status.success() {
        return Err(Failure::new(format!(
            "cannot list the tests of this system: {}",
            output.trim()
        )));
    }
    let name = |line: &str| line.strip_suffix(": test").map(str::to_owned);
    Ok(output.lines().filter_map(name).collect())
}

/// The tests that ran, from what they printed: `test NAME ... ok`.
fn names(output: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some(name.trim_end_matches(" - should panic").to_owned())
    };
    output.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_what_tests_print() {
        let output = "running 2 tests\ntest a::b ... ok\ntest c - should panic ... ok\ntest result: ok. 2 passed\n";
        let expected = ["a::b", "c"].map(str::to_owned);
        assert_eq!(names(output), BTreeSet::from(expected));
    }
}
