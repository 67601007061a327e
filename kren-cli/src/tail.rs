//! `kren tail`.

use crate::format::Format;
use crate::options::{Framing, Name};
use crate::signals;
use crate::stop::{Outcome, Stop};
use clap::ValueEnum;
use kren_core::inspect::{Seen, Tail, TailFrom};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// Show the messages in flight without taking them.
///
/// Takes no part in the channel: holds nobody up, and nobody notices. Where messages pass faster than they can be shown, it
/// says how many it missed. Of a broadcast it shows what the ring still holds.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren tail ticks                     what is written and not yet read
  kren tail -f ticks --format json    what is being written, until the writer is gone
  kren tail -f log --lines --from newest")]
pub(crate) struct Args {
    #[command(flatten)]
    name: Name,
    /// Go on with what is written from now on, until the writer is gone.
    #[arg(short, long)]
    follow: bool,
    /// End after so many messages.
    #[arg(short = 'n', long, value_name = "MESSAGES")]
    count: Option<u64>,
    /// Where to start.
    #[arg(long, value_enum, default_value_t)]
    from: Beginning,
    /// How messages are written.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    #[command(flatten)]
    framing: Framing,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(crate) enum Beginning {
    /// With the first message that is not received yet.
    #[default]
    Unread,
    /// With the oldest that the ring still holds.
    Oldest,
    /// With the next that is written.
    Newest,
}

impl From<Beginning> for TailFrom {
    fn from(from: Beginning) -> Self {
        match from {
            Beginning::Unread => Self::Unread,
            Beginning::Oldest => Self::Oldest,
            Beginning::Newest => Self::Newest,
        }
    }
}

/// Between two looks at a channel where nothing new was.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn run(args: &Args) -> Outcome {
    signals::listen();
    let format = args.format.or_framing(args.framing);
    let mut tail = Tail::open(&args.name.name, args.from.into())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut shown = 0;
    let mut is_last_look = false;
    while args.count.is_none_or(|count| shown < count) {
        match tail.next()? {
            Seen::Message { number, tag, bytes } => {
                format
                    .write(&mut out, (number, tag), bytes)
                    .map_err(Stop::io("output"))?;
                shown += 1;
            }
            Seen::Missed(missed) => {
                out.flush().map_err(Stop::io("output"))?;
                eprintln!("kren: missed {missed} messages, which passed too fast");
            }
            _ => {
                out.flush().map_err(Stop::io("output"))?;
                if !args.follow || is_last_look {
                    break;
                }
                // What it wrote last is looked for once more.
                is_last_look = !tail.has_writer();
                std::thread::sleep(PAUSE);
            }
        }
        signals::check()?;
    }
    out.flush().map_err(Stop::io("output"))
}
