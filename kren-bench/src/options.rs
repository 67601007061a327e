//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use crate::pair::{Language, Programs};

/// What this process was started for.
pub(crate) enum Call {
    /// To measure as it is told.
    Peer,
    /// To have others measure.
    Measure(Box<Options>),
}

pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// How long each run is to take, in nanoseconds.
    pub(crate) run_ns: f64,
    pub(crate) sizes: Vec<usize>,
    /// Only transports whose name starts with one of these; all if empty.
    pub(crate) transports: Vec<String>,
    pub(crate) pairs: Vec<[Language; 2]>,
    pub(crate) programs: Programs,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
    /// Bytes of each ring, where the size of the messages does not ask for more.
    pub(crate) capacity: usize,
}

pub(crate) const SIZES: [usize; 8] = [8, 32, 64, 256, 1 << 10, 4 << 10, 64 << 10, 1 << 20];

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
            number(value("rounds"))
                .value_name("N")
                .help("How often every transport has its turn"),
            list(value("only"))
                .value_parser(["rust", "python", "node", "mixed"])
                .help("Only these languages; mixed is Python to Node"),
            list(number(value("sizes")))
                .value_name("BYTES")
                .help("Only these sizes of messages"),
            list(value("transports"))
                .value_name("NAMES")
                .help("Only those whose name starts so"),
            number(value("capacity"))
                .value_name("BYTES")
                .help("Size of the rings [default: 4 MiB]"),
            value("pin")
                .value_name("A,B")
                .num_args(0..=1)
                .default_missing_value("0,1")
                .help("Keep the two processes on these processors"),
            path(value("json"))
                .value_name("FILE")
                .help("Write all figures there"),
            path(value("svg"))
                .value_name("FILE")
                .help("Draw a picture there"),
            path(value("python"))
                .value_name("PROGRAM")
                .help("The Python to measure with"),
            path(value("node"))
                .value_name("PROGRAM")
                .help("The Node.js to measure with"),
        ])
        .subcommand(Command::new("peer").hide(true))
}

/// Reads the command line; ends the process if it is wrong.
pub(crate) fn read() -> Call {
    let mut matches = command_line().get_matches();
    if matches.subcommand_matches("peer").is_some() {
        return Call::Peer;
    }
    let pinned = matches.remove_one::<String>("pin").map(|text| pins(&text));
    let programs = Programs {
        python: matches.remove_one("python"),
        node: matches.remove_one("node"),
        pinned,
    };
    let only: Option<Vec<String>> = matches.remove_many("only").map(Iterator::collect);
    let quick = matches.get_flag("quick");
    Call::Measure(Box::new(Options {
        quick,
        rounds: matches
            .remove_one("rounds")
            .unwrap_or(if quick { 5 } else { 15 }),
        run_ns: if quick { 4e6 } else { 20e6 },
        sizes: matches
            .remove_many("sizes")
            .map_or(SIZES.to_vec(), Iterator::collect),
        transports: matches
            .remove_many("transports")
            .map_or(vec![], Iterator::collect),
        pairs: pairs(only.as_deref(), &programs),
        programs,
        json: matches.remove_one("json"),
        svg: matches.remove_one("svg"),
        capacity: matches.remove_one("capacity").unwrap_or(4 << 20),
    }))
}

/// The pairs of languages asked for, or all that this machine can start.
fn pairs(only: Option<&[String]>, programs: &Programs) -> Vec<[Language; 2]> {
    use Language::{Node, Python, Rust};
    let (python, node) = (programs.python.is_some(), programs.node.is_some());
    let all = [
        ("rust", [Rust, Rust], true),
        ("python", [Python, Python], python),
        ("node", [Node, Node], node),
        ("mixed", [Python, Node], python && node),
    ];
    let wanted = |name: &str, possible: bool| {
        only.map_or(possible, |only| {
            only.iter().any(|language| language == name)
        })
    };
    let chosen = all
        .into_iter()
        .filter(|(name, _, possible)| wanted(name, *possible));
    chosen.map(|(_, pair, _)| pair).collect()
}

fn pins(text: &str) -> [usize; 2] {
    let mut numbers = text.split(',').map(str::parse);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(lead)), Some(Ok(follow)), None) if crate::process::CAN_PIN => [lead, follow],
        _ => command_line()
            .error(
                clap::error::ErrorKind::InvalidValue,
                "--pin takes two processors, as in 0,1, and works on Linux",
            )
            .exit(),
    }
}
