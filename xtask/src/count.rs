//! How many tests passed and failed, read from what each runner prints at its end.

use std::ops::AddAssign;

/// Tests of one suite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// One test.
    pub(crate) fn one(passed: bool) -> Self {
        Self {
            passed: passed.into(),
            failed: (!passed).into(),
        }
    }

    /// A runner that ended badly without naming a failed test (it did not compile, or crashed) is one failure.
    pub(crate) fn with_status(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// `test result: ok. 12 passed; 0 failed; ...`, once for each test program.
pub(crate) fn cargo(output: &str) -> Count {
    let mut count = Count::default();
    for line in output
        .lines()
        .filter(|line| line.starts_with("test result:"))
    {
        count += Count {
            passed: before(line, "passed"),
            failed: before(line, "failed"),
        };
    }
    count
}

/// `==== 1 failed, 12 passed, 1 skipped in 0.20s ====`, or the same bare when quiet.
pub(crate) fn pytest(output: &str) -> Count {
    let is_summary =
        |line: &&str| line.contains(" in ") && (line.contains("passed") || line.contains("failed"));
    let Some(line) = output.lines().rev().find(is_summary) else {
        return Count::default();
    };
    let failed = before(line, "failed") + before(line, "error") + before(line, "errors");
    Count {
        passed: before(line, "passed"),
        failed,
    }
}

/// Node's own runner: `ℹ pass 12`, or `# pass 12`.
pub(crate) fn node(output: &str) -> Count {
    let after = |word: &str| -> u64 {
        let number = |line: &str| {
            let line = line.trim_start_matches(['ℹ', '#']).trim();
            line.strip_prefix(word)?.trim().parse::<u64>().ok()
        };
        // A suite may run its files through several runners.
        output.lines().filter_map(number).sum()
    };
    Count {
        passed: after("pass "),
        failed: after("fail ") + after("cancelled "),
    }
}

/// The last line of a soak, which is one test.
pub(crate) fn nothing_lost(output: &str) -> Count {
    let passed = u64::from(output.lines().any(|line| line == "lost = 0"));
    Count {
        passed,
        failed: 1 - passed,
    }
}

/// The number in front of `word`.
fn before(line: &str, word: &str) -> u64 {
    let mut previous = "";
    for token in line
        .split([' ', ';', ',', '='])
        .filter(|token| !token.is_empty())
    {
        if token == word {
            return previous.parse().unwrap_or(0);
        }
        previous = token;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_adds_up_every_program() {
        let output = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            cargo(output),
            Count {
                passed: 5,
                failed: 4
            }
        );
    }

    #[test]
    fn a_soak_is_one_test() {
        let passed = |output| nothing_lost(output).passed;
        assert_eq!(passed("twice 0 messages\nlost = 0\n"), 1);
        assert_eq!(passed("FAILED lane 1\nlost = see above\n"), 0);
        assert_eq!(nothing_lost("").failed, 1);
    }

    #[test]
    fn pytest_is_read_with_and_without_its_frame() {
        let framed = "x.py ..F\n=== 1 failed, 12 passed, 3 skipped, 2 errors in 0.20s ===\n";
        assert_eq!(
            pytest(framed),
            Count {
                passed: 12,
                failed: 3
            }
        );
        assert_eq!(
            pytest("58 passed in 0.20s"),
            Count {
                passed: 58,
                failed: 0
            }
        );
    }

    #[test]
    fn node_is_read_in_both_reporters() {
        assert_eq!(
            node("ℹ tests 3\nℹ pass 2\nℹ fail 1\nℹ cancelled 0\n"),
            Count {
                passed: 2,
                failed: 1
            }
        );
        assert_eq!(
            node("# tests 3\n# pass 3\n# fail 0\n"),
            Count {
                passed: 3,
                failed: 0
            }
        );
    }

    #[test]
    fn a_runner_that_dies_is_a_failure() {
        assert_eq!(
            Count::default().with_status(false),
            Count {
                passed: 0,
                failed: 1
            }
        );
        assert_eq!(
            Count {
                passed: 3,
                failed: 2
            }
            .with_status(false),
            Count {
                passed: 3,
                failed: 2
            }
        );
    }
}
