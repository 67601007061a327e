//! The command line.

use std::path::PathBuf;
use std::process::exit;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::link::Test;
use crate::pair::{Language, Programs};
use crate::process;
use crate::transports::SIZES;

impl Options {
    /// Bytes of each ring: four messages at least, with what a transport adds to them.
    pub(crate) fn ring(&self, size: usize) -> usize {
        self.capacity.max(4 * (size + 64)).next_multiple_of(4096)
    }
}

/// What this process was started for.
pub(crate) enum Call {
    /// To measure as it is told.
    Peer,
    /// To have others measure.
    Measure(Box<Options>),
}

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// What it costs that there is more, instead of how fast it is.
    pub(crate) growth: bool,
    /// What the patterns cost, instead of how fast a channel is; only these rows of theirs, all if empty.
    pub(crate) patterns: bool,
    pub(crate) rows: Vec<usize>,
    pub(crate) rounds: usize,
    /// How long each run is to take, in nanoseconds.
    pub(crate) run_ns: f64,
    pub(crate) sizes: Vec<usize>,
    /// Only these transports, by name; a trailing `*` stands for any rest. All if empty.
    pub(crate) transports: Vec<String>,
    pub(crate) tests: Vec<Test>,
    /// What one process does by itself is measured too.
    pub(crate) alone: bool,
    pub(crate) pairs: Vec<[Language; 2]>,
    pub(crate) programs: Programs,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    /// Records to show instead of measuring.
    pub(crate) show: Vec<PathBuf>,
    /// Bytes of each ring, where the size of the messages does not ask for more.
    pub(crate) capacity: usize,
    /// Growth ends at so many channels, and at rings of so many bytes.
    pub(crate) most: Most,
}

#[derive(Clone, Copy)]
pub(crate) struct Most {
    pub(crate) channels: usize,
    pub(crate) capacity: usize,
}

pub(crate) const STANDARD_SIZES: [usize; 8] = [8, 32, 64, 256, 1 << 10, 4 << 10, 64 << 10, 1 << 20];
const CAPACITIES: std::ops::RangeInclusive<usize> = 4096..=1 << 30;
/// What one process does by itself, as a word beside the tests.
const ALONE: &str = "alone";

fn command_line() -> Command {
    let value = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Set);
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let number = |arg: Arg| arg.value_parser(value_parser!(usize));
    let list = |arg: Arg| arg.value_delimiter(',').num_args(1..);
    let path = |arg: Arg| arg.value_parser(value_parser!(PathBuf));
    Command::new("kren-bench")
        .args_override_self(true)
        .about("Measures KREN beside the limits of the machine and beside its rivals")
        .args([
            flag("quick").help("Few and short rounds: a look, no record"),
            flag("growth").help(
                "Measure what more costs: 1 to 1,000 channels, a page to 1 GiB, messages of 1 B to 16 MiB",
            ),
            flag("patterns").help(
                "Measure broadcast, inbox, queue, service and selector beside a channel and beside their rivals",
            ),
            list(number(value("rows")))
                .value_name("ROWS")
                .help("With --patterns, only these rows of its table: 1 to 7"),
            number(value("rounds"))
                .value_name("N")
                .help("How often every transport has its turn [default: 15; quick or growth: 5; both: 2]"),
            list(value("only"))
                .value_name("PAIRS")
                .help("Only these languages: rust, python, node, mixed (Python to Node), all (the nine pairs), or a pair such as node-rust"),
            list(number(value("sizes")))
                .value_name("BYTES")
                .help("Only these sizes of messages"),
            list(value("transports"))
                .value_name("NAMES")
                .help("Only these; kren* means all whose name starts so"),
            list(value("tests"))
                .value_name("TESTS")
                .help("Only these: trips, timed, stream, wake, idle, alone"),
            number(value("capacity"))
                .value_name("BYTES")
                .help("Size of the rings [default: 4 MiB]; with --growth, of the largest [default: 1 GiB]"),
            number(value("channels"))
                .value_name("N")
                .help("With --growth, the most channels [default: 1000]"),
            value("pin")
                .value_name("A,B")
                .num_args(0..=1)
                .default_missing_value("0,1")
                .help("Keep the two processes on these processors [without numbers: 0,1]"),
            path(value("json"))
                .value_name("FILE")
                .help("Write all figures there, compressed if its name ends with .gz"),
            path(value("svg"))
                .value_name("FILE")
                .help("Draw a picture there"),
            path(value("markdown"))
                .value_name("FILE")
                .help("Write the tables there, for a document"),
            path(list(value("show")))
                .value_name("RECORDS")
                .help("Measure nothing; show what these files, written with --json, hold together"),
            path(value("python"))
                .value_name("PROGRAM")
                .help("The Python to measure with"),
            path(value("node"))
                .value_name("PROGRAM")
                .help("The Node.js to measure with"),
        ])
        .subcommand(Command::new("peer").hide(true))
}

/// Reads the command line; if it is wrong, says so in a line and ends the process.
pub(crate) fn read() -> Call {
    match parse(std::env::args_os()) {
        Ok(call) => call,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            error.exit()
        }
        Err(error) => {
            eprintln!("{}", one_line(&error.to_string()));
            exit(2)
        }
    }
}

/// What went wrong without the advice that follows it.
fn one_line(message: &str) -> String {
    let body = message.split("\n\nUsage").next().unwrap_or(message);
    let body = body.split("\n\nFor more").next().unwrap_or(body);
    let words: Vec<&str> = body.split_whitespace().collect();
    format!("{}; --help lists the options", words.join(" "))
}

fn parse<T>(arguments: impl IntoIterator<Item = T>) -> Result<Call, clap::Error>
where
    T: Into<std::ffi::OsString> + Clone,
{
    let mut matches = command_line().try_get_matches_from(arguments)?;
    if matches.subcommand_matches("peer").is_some() {
        return Ok(Call::Peer);
    }
    let pinned = matches.remove_one::<String>("pin");
    let programs = Programs {
        python: matches.remove_one("python"),
        node: matches.remove_one("node"),
        pinned: pinned.map(|text| pins(&text)).transpose()?,
    };
    let words = |matches: &mut ArgMatches, name: &str| -> Option<Vec<String>> {
        matches.remove_many(name).map(Iterator::collect)
    };
    let (quick, growth) = (matches.get_flag("quick"), matches.get_flag("growth"));
    let patterns = matches.get_flag("patterns");
    let rows: Vec<usize> = matches
        .remove_many("rows")
        .map_or(vec![], Iterator::collect);
    within("--rows", &rows, &(1..=7))?;
    let usual = match (growth, quick) {
        (true, true) => 2,
        (false, true) | (true, false) => 5,
        (false, false) => 15,
    };
    let rounds = matches.remove_one("rounds").unwrap_or(usual);
    let sizes: Option<Vec<usize>> = matches.remove_many("sizes").map(Iterator::collect);
    let sizes = sizes.unwrap_or_else(|| match growth {
        true => crate::transports::powers_of_two(),
        false => STANDARD_SIZES.to_vec(),
    });
    let asked: Option<usize> = matches.remove_one("capacity");
    let capacity = asked.unwrap_or(4 << 20);
    let most = Most {
        channels: matches.remove_one("channels").unwrap_or(1_000),
        capacity: asked.unwrap_or(1 << 30),
    };
    within("--channels", &[most.channels], &(1..=10_000))?;
    within("--rounds", &[rounds], &(1..=10_000))?;
    within("--sizes", &sizes, &SIZES)?;
    within("--capacity", &[capacity], &CAPACITIES)?;
    let only = words(&mut matches, "only");
    let pairs = match &only {
        None if growth => vec![[Language::Rust; 2]],
        only => pairs(only.as_deref(), &programs)?,
    };
    let (tests, alone) = tests(words(&mut matches, "tests"))?;
    Ok(Call::Measure(Box::new(Options {
        quick,
        growth,
        patterns,
        rows,
        rounds,
        run_ns: if quick { 4e6 } else { 20e6 },
        sizes,
        transports: words(&mut matches, "transports").unwrap_or_default(),
        tests,
        alone,
        pairs,
        programs,
        json: matches.remove_one("json"),
        svg: matches.remove_one("svg"),
        markdown: matches.remove_one("markdown"),
        show: matches
            .remove_many("show")
            .map_or(vec![], Iterator::collect),
        capacity,
        most,
    })))
}

fn wrong(text: impl std::fmt::Display) -> clap::Error {
    clap::Error::raw(ErrorKind::InvalidValue, text)
}

fn within(
    option: &str,
    values: &[usize],
    range: &std::ops::RangeInclusive<usize>,
) -> Result<(), clap::Error> {
    match values.iter().find(|value| !range.contains(value)) {
        None => Ok(()),
        Some(value) => Err(wrong(format!(
            "{option} takes {} to {}, not {value}",
            range.start(),
            range.end()
        ))),
    }
}

fn tests(words: Option<Vec<String>>) -> Result<(Vec<Test>, bool), clap::Error> {
    let Some(words) = words else {
        return Ok((Test::ALL.to_vec(), true));
    };
    let alone = words.iter().any(|word| word == ALONE);
    let tests = words.iter().filter(|word| *word != ALONE).map(|word| {
        Test::named(word).ok_or_else(|| {
            wrong(format!(
                "--tests takes trips, timed, stream, wake, idle and alone, not {word}"
            ))
        })
    });
    Ok((tests.collect::<Result<_, _>>()?, alone))
}

/// The pairs of languages asked for, or the usual ones that this machine can start.
fn pairs(only: Option<&[String]>, programs: &Programs) -> Result<Vec<[Language; 2]>, clap::Error> {
    use Language::{Node, Python, Rust};
    let usual = [[Rust, Rust], [Python, Python], [Node, Node], [Python, Node]];
    let Some(only) = only else {
        let possible = |pair: &[Language; 2]| pair.iter().all(|language| programs.have(*language));
        return Ok(usual.into_iter().filter(possible).collect());
    };
    let mut pairs = Vec::new();
    for word in only {
        match word.as_str() {
            "mixed" => pairs.push([Python, Node]),
            "all" => pairs.extend(
                Language::ALL
                    .iter()
                    .flat_map(|&lead| Language::ALL.map(|follow| [lead, follow])),
            ),
            word => {
                let (lead, follow) = word.split_once('-').unwrap_or((word, word));
                let pair = Language::named(lead).zip(Language::named(follow));
                let (lead, follow) = pair.ok_or_else(|| {
                    wrong(format!(
                        "--only takes rust, python, node, mixed, all, or a pair such as node-rust, not {word}"
                    ))
                })?;
                pairs.push([lead, follow]);
            }
        }
    }
    for language in pairs.iter().flatten() {
        if !programs.have(*language) {
            let option = format!("{language:?}").to_lowercase();
            return Err(wrong(format!(
                "to measure {language:?}, say which with --{option} PROGRAM; `cargo xtask bench` does so by itself"
            )));
        }
    }
    Ok(pairs)
}

fn pins(text: &str) -> Result<[usize; 2], clap::Error> {
    if !process::CAN_PIN {
        return Err(wrong("--pin works on Linux only"));
    }
    let mut numbers = text.split(',').map(str::parse);
    let pins = match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(lead)), Some(Ok(follow)), None) if lead != follow => [lead, follow],
        _ => {
            return Err(wrong(format!(
                "--pin takes two different processors, as in 0,1, not {text}"
            )));
        }
    };
    let usable = process::usable();
    match pins.iter().find(|pin| !usable.contains(pin)) {
        None => Ok(pins),
        Some(pin) => Err(wrong(format!(
            "--pin {text}: this process may not run on processor {pin}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        let words = ["kren-bench"].into_iter().chain(line.split_whitespace());
        match parse(words.map(str::to_owned)) {
            Ok(Call::Measure(options)) => Ok(*options),
            Ok(Call::Peer) => Err("peer".to_owned()),
            Err(error) => Err(one_line(&error.to_string())),
        }
    }

    #[test]
    fn what_is_asked_for_is_measured() {
        let all = options("").unwrap();
        assert_eq!(all.sizes, STANDARD_SIZES);
        assert_eq!(all.pairs, [[Language::Rust; 2]]);
        assert!(all.alone && all.tests.len() == Test::ALL.len());
        let few = options("--quick --tests trips,stream --sizes 8,64 --transports kren").unwrap();
        assert_eq!(few.tests, [Test::Trips, Test::Stream]);
        assert_eq!((few.sizes, few.alone, few.rounds), (vec![8, 64], false, 5));
        let nine = options("--only all --python p --node n").unwrap();
        assert_eq!(nine.pairs.len(), 9);
        let mixed = options("--only node-rust,mixed --python p --node n").unwrap();
        let expected = [
            [Language::Node, Language::Rust],
            [Language::Python, Language::Node],
        ];
        assert_eq!(mixed.pairs, expected);
    }

    #[test]
    fn what_is_wrong_is_said_in_a_line() {
        for (line, said) in [
            ("--only perl", "not perl"),
            ("--only python", "--python PROGRAM"),
            ("--sizes 0", "not 0"),
            ("--sizes 8,x", "invalid value 'x'"),
            ("--sizes 99999999", "not 99999999"),
            ("--rounds 0", "not 0"),
            ("--tests tea", "not tea"),
            ("--capacity 1", "not 1"),
            ("--pin 0,0", "two different processors"),
            ("--pin 0,99999", "processor 99999"),
            ("--no-such-option", "--no-such-option"),
        ] {
            let error = options(line).err().expect(line);
            assert!(error.starts_with("error: "), "{line}: {error}");
            assert!(error.contains(said), "{line}: {error}");
            assert!(!error.contains('\n'), "{line}: {error}");
        }
    }
}
