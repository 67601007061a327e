//! `kren`: see channels, feed them, and put them right, from a shell.

mod bench;
mod bridge;
mod call;
mod doctor;
mod format;
mod human;
mod json;
mod list;
mod options;
mod process;
mod progress;
mod receive;
mod record;
mod remove;
mod replay;
mod sample;
mod send;
mod shell;
mod signals;
mod stat;
mod stop;
mod tail;
mod top;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// See KREN channels, feed them, and put them right.
///
/// A channel carries messages between two processes of this machine through shared memory. Looking at one disturbs nobody:
/// `ls`, `stat`, `top`, `tail` and `doctor` take no part in it.
#[derive(Parser)]
#[command(name = "kren", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  kren ls                                  what exists, who holds it, how fast it flows
  kren top                                 the same, live
  tar c . | kren send files                send a stream to whoever receives it
  kren recv files | tar x                  receive it
  kren tail -f ticks                       watch messages pass without taking them
  kren record ticks ticks.mcap             keep them in a file that Foxglove opens
  kren gc                                  remove what nobody uses

Exit codes:
  0 done    1 failed           2 wrong usage      3 no such channel   4 timed out
  5 the other side closed      6 the other side died                  7 held by another process
  8 permission denied          9 damaged, or of another version       10 no memory
  20 doctor: warnings          21 doctor: errors                      130 Ctrl-C (143 a polite kill)";

#[derive(Subcommand)]
enum Command {
    Ls(list::Args),
    Stat(stat::Args),
    Top(top::Args),
    Send(send::SendArgs),
    Recv(receive::RecvArgs),
    Tail(tail::Args),
    Pub(send::PubArgs),
    Sub(receive::SubArgs),
    Call(call::Args),
    Record(record::Args),
    Replay(replay::Args),
    Gc(remove::GcArgs),
    Rm(remove::RmArgs),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Bridge(bridge::Args),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

fn main() -> ExitCode {
    signals::behave_in_pipes();
    // Where a shell asks for completions this answers, and does not come back.
    clap_complete::CompleteEnv::with_factory(Cli::command).complete();
    let outcome = match Cli::parse().command {
        Command::Ls(args) => list::run(&args),
        Command::Stat(args) => stat::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Send(args) => send::send(&args),
        Command::Recv(args) => receive::receive(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Pub(args) => send::publish(&args),
        Command::Sub(args) => receive::subscribe(&args),
        Command::Call(args) => call::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Gc(args) => remove::gc(&args),
        Command::Rm(args) => remove::rm(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Bridge(args) => bridge::run(&args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}
