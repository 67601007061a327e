//! `kren doctor`: what could stand in the way of channels on this machine, and what to do about it.

mod channels;
mod machine;

use crate::human;
use crate::json;
use crate::stop::{Outcome, Stop};
use serde_json::json;

/// Check this machine and its channels, and explain what is found.
///
/// The exit code is that of the worst finding: 0 all is well, 20 warnings, 21 errors.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren doctor
  kren doctor --json | jq '.findings[] | select(.severity != \"fine\")'")]
pub(crate) struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Only what is not well.
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Fine,
    Warning,
    Error,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
struct Finding {
    severity: Severity,
    /// What was looked at.
    what: &'static str,
    /// What was found.
    found: String,
    /// What to do.
    advice: Option<String>,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fine,
            what,
            found: found.into(),
            advice: None,
        }
    }

    fn warning(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            advice: Some(advice.into()),
            ..Self::fine(what, found)
        }
    }

    fn error(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            ..Self::warning(what, found, advice)
        }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut findings = machine::look();
    findings.extend(channels::look());
    let worst = findings.iter().map(|finding| finding.severity).max();
    let worst = worst.unwrap_or(Severity::Fine);
    if args.quiet {
        findings.retain(|finding| finding.severity > Severity::Fine);
    }
    if args.json {
        let findings: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "severity": finding.severity.name(),
                    "what": finding.what,
                    "found": finding.found,
                    "advice": finding.advice,
                })
            })
            .collect();
        let document = json!({
            "version": json::VERSION,
            "severity": worst.name(),
            "findings": findings,
        });
        println!("{document}");
    } else {
        print(&findings);
    }
    match worst {
        Severity::Fine => Ok(()),
        Severity::Warning => Err(Stop::Silent(20)),
        Severity::Error => Err(Stop::Silent(21)),
    }
}

fn print(findings: &[Finding]) {
    let has_colour = human::has_colour();
    for finding in findings {
        let (mark, colour) = match finding.severity {
            Severity::Fine => ("ok     ", 32),
            Severity::Warning => ("warning", 33),
            Severity::Error => ("ERROR  ", 31),
        };
        let mark = match has_colour {
            true => format!("\x1b[{colour}m{mark}\x1b[0m"),
            false => mark.into(),
        };
        println!(
            "{mark}  {}: {}",
            finding.what,
            human::printable(&finding.found)
        );
        if let Some(advice) = &finding.advice {
            println!("         -> {advice}");
        }
    }
}
