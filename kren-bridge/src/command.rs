//! The command line.

use clap::{Parser, Subcommand};
use kren_bridge::config::Config;
use kren_bridge::export::Export;
use kren_bridge::import::Import;
use kren_bridge::link::Link;
use kren_bridge::mirror::OnGap;
use kren_bridge::status::{self, Board};
use kren_bridge::wire::Machine;
use kren_bridge::{notify, stop};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often the status file is written.
const WRITE: Duration = Duration::from_millis(500);

/// Carry KREN channels to other machines, with nothing lost.
///
/// One side exports, the other one imports: there a channel of the same name appears, which readers use as if its writer were here.
/// Messages come in order, complete and once, whatever becomes of the link and of the bridges.
#[derive(Parser)]
#[command(name = "kren-bridge", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  kren-bridge export 'sensor.*' --listen tcp/10.0.0.1:7447      on the machine with the writers
  kren-bridge import 'sensor.*' --connect tcp/10.0.0.1:7447     on the machine with the readers
  kren-bridge run --config /etc/kren/bridge.toml                both, as a service
  kren-bridge status                                            how it goes

Without --listen and --connect the bridge stays on this machine (tcp/127.0.0.1:7447).
KREN_LOG=debug says more, KREN_LOG=warn less.";

#[derive(Subcommand)]
enum Command {
    /// Carry channels of this machine to others.
    Export(Carry),
    /// Have channels of another machine here.
    Import(Carry),
    /// Do what a file says.
    Run {
        /// The file (TOML).
        #[arg(long)]
        config: PathBuf,
    },
    /// Say how the bridges of this user fare.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Where they keep their status.
        #[arg(long, value_name = "FOLDER")]
        state: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Carry {
    /// Names of channels, broadcasts, inboxes and services, or patterns such as 'sensor.*'. An inbox or a service is exported by the
    /// machine that it is on, and imported where its senders or clients are.
    #[arg(required = true)]
    names: Vec<String>,
    /// Bridges of one realm find each other.
    #[arg(long)]
    realm: Option<String>,
    /// Where to listen: tcp/ADDRESS:PORT or tls/ADDRESS:PORT.
    #[arg(long, value_name = "ENDPOINT")]
    listen: Vec<String>,
    /// Where to connect to.
    #[arg(long, value_name = "ENDPOINT")]
    connect: Vec<String>,
    /// What to do where messages are missing since the far side has lost its memory.
    #[arg(long)]
    on_gap: Option<OnGap>,
    /// The name that this machine goes by [default: its host name].
    #[arg(long)]
    machine: Option<String>,
    /// Where the status is kept [default: kren-bridge in XDG_RUNTIME_DIR].
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// A file that says the rest: certificates, passwords.
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Carry {
    fn over(self, to: fn(&mut Config) -> &mut Vec<String>) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        *to(&mut config) = self.names;
        config.realm = self.realm.or(config.realm);
        config.machine = self.machine.or(config.machine);
        config.state = self.state.or(config.state);
        config.on_gap = self.on_gap.or(config.on_gap);
        if !self.listen.is_empty() || !self.connect.is_empty() {
            (config.listen, config.connect) = (self.listen, self.connect);
        }
        Ok(config)
    }
}

pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Export(carry) => carry.over(|config| &mut config.export).and_then(work),
        Command::Import(carry) => carry.over(|config| &mut config.import).and_then(work),
        Command::Run { config } => Config::read(&config).and_then(work),
        Command::Status { json, state } => {
            show(json, state);
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn work(mut config: Config) -> Result<(), String> {
    config.complete()?;
    let realm = config.realm()?;
    log();
    stop::listen();
    let folder = config
        .state
        .clone()
        .unwrap_or_else(kren_core::bridge::status_folder);
    status::prepare(&folder)?;
    let name = config.machine.clone().unwrap_or_else(host);
    let machine = Machine {
        hash: hash(&format!("{realm}/{name}")),
        name,
    };
    let about = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "realm": realm,
        "machine": machine.name,
        "listen": config.listen,
        "connect": config.connect,
    });
    let board = Arc::new(Board::new(folder, about));
    let link = Arc::new(Link::open(config.for_zenoh()?, realm, machine)?);
    say_hello(&config, &link);
    notify::tell("READY=1");

    let patterns = |patterns: &[String]| -> Arc<[String]> { patterns.into() };
    let export = Export {
        link: Arc::clone(&link),
        board: Arc::clone(&board),
        patterns: patterns(&config.export),
        said: Arc::default(),
        on_gap: config.on_gap.unwrap_or_default(),
    };
    let import = Import {
        link: Arc::clone(&link),
        board: Arc::clone(&board),
        patterns: patterns(&config.import),
        on_gap: config.on_gap.unwrap_or_default(),
    };
    let outcome = std::thread::scope(|scope| {
        if !config.export.is_empty() {
            scope.spawn(|| export.run());
        }
        let import = (!config.import.is_empty()).then(|| scope.spawn(|| import.run()));
        report(&link, &board);
        import.map_or(Ok(()), |import| {
            import
                .join()
                .unwrap_or_else(|_| Err("the import has panicked".into()))
        })
    });
    notify::tell("STOPPING=1");
    board.remove();
    link.close();
    outcome
}

/// Writes down how it goes until it is to stop.
fn report(link: &Link, board: &Board) {
    let mut peers = 0;
    let mut has_said = false;
    while !stop::is_asked() {
        let now = link.peers();
        if now != peers {
            tracing::info!(
                "linked with {now} other {}",
                if now == 1 { "bridge" } else { "bridges" }
            );
            notify::tell(&format!("STATUS=linked with {now}"));
            peers = now;
        }
        if let Err(error) = board.write(peers)
            && !std::mem::replace(&mut has_said, true)
        {
            tracing::warn!("the status cannot be written down: {error}");
        }
        std::thread::sleep(WRITE);
    }
}

fn say_hello(config: &Config, link: &Link) {
    let list = |what: &[String]| what.join(", ");
    if !config.export.is_empty() {
        tracing::info!(
            "exports {} in the realm '{}'",
            list(&config.export),
            link.realm()
        );
    }
    if !config.import.is_empty() {
        tracing::info!(
            "imports {} in the realm '{}'",
            list(&config.import),
            link.realm()
        );
    }
    if !config.listen.is_empty() {
        let who = match config.is_open() {
            false => "for this machine alone; --listen tcp/ADDRESS:7447 lets others in",
            true if config.auth.users.is_none() && !config.tls.mutual => {
                "for everybody who reaches it: no password, no certificate is asked for"
            }
            true => "",
        };
        tracing::info!("listens on {} {who}", list(&config.listen));
    }
    if !config.connect.is_empty() {
        tracing::info!("connects to {}", list(&config.connect));
    }
}

fn log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("KREN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // zenoh's own words are for those who ask for them.
    let filter = match std::env::var("KREN_LOG") {
        Ok(said) if said.contains("zenoh") => filter,
        _ => [
            "zenoh=error",
            "zenoh_transport=error",
            "zenoh_link_commons=error",
        ]
        .iter()
        .fold(filter, |filter, directive| match directive.parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        }),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unnamed".into(),
        name => name.into(),
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn show(json: bool, state: Option<PathBuf>) {
    let bridges = status::read(&state.unwrap_or_else(kren_core::bridge::status_folder));
    if json {
        println!("{}", json!({ "bridges": bridges }));
        return;
    }
    if bridges.is_empty() {
        println!("no bridge of this user runs here");
    }
    for bridge in bridges {
        println!(
            "bridge {} of realm {}, linked with {}",
            bridge["pid"],
            bridge["realm"].as_str().unwrap_or("?"),
            bridge["peers"]
        );
        for channel in bridge["channels"].as_array().into_iter().flatten() {
            let text = |key: &str| channel[key].as_str().unwrap_or("-").to_owned();
            let number = |key: &str| {
                channel[key]
                    .as_u64()
                    .map_or("-".into(), |number| number.to_string())
            };
            println!(
                "  {:<7}{:<10}{:<24} {}: {} messages, {} bytes; waiting {}; resent {}, twice {}, gaps {}; round trip {} us",
                text("direction"),
                text("kind"),
                text("name"),
                text("state"),
                number("messages"),
                number("bytes"),
                number("lag_messages"),
                number("resends"),
                number("duplicates"),
                number("gaps"),
                number("round_trip_us"),
            );
        }
    }
}
