//! `kren tail`.

use crate::format::Format;
use crate::human;
use crate::options::{Framing, Name};
use crate::signals;
use crate::stop::{Outcome, Stop};
use clap::ValueEnum;
use kren_core::inspect::{Seen, Tail, TailFrom};
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

/// Show the messages in flight without taking them.
///
/// Takes no part in the channel: holds nobody up, and nobody notices; it runs at the lowest priority. Where messages pass
/// faster than they can be shown, it shows some of them now and then, and says how many it missed: `kren record` keeps up
/// with more, and `kren record --lossless` with all. Of a broadcast it shows what the ring still holds.
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

/// A channel that is followed until its writer is gone.
pub(crate) struct Follower {
    tail: Tail,
    is_last_look: bool,
}

impl Follower {
    pub(crate) fn open(name: &str, from: TailFrom) -> Outcome<Self> {
        Ok(Self {
            tail: Tail::open(name, from)?,
            is_last_look: false,
        })
    }

    pub(crate) fn next(&mut self) -> Outcome<Seen<'_>> {
        Ok(self.tail.next()?)
    }

    /// Waits a little, where there was nothing; `false` once the writer is gone and what it wrote last was looked for.
    pub(crate) fn wait(&mut self) -> Outcome<bool> {
        if self.is_last_look {
            return Ok(false);
        }
        self.is_last_look = !self.tail.has_writer();
        if !self.is_last_look {
            signals::pause(PAUSE)?;
        }
        Ok(true)
    }
}

/// Rests where it cannot keep up anyhow: to copy what is missed in the end only takes the processor and the memory's lines
/// from those who are watched.
struct Ease {
    since: Instant,
}

impl Ease {
    /// Of rest to work.
    const SHARE: u32 = 100;
    const LEAST: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_secs(1);

    fn rest(&mut self) -> Outcome {
        let worked = self.since.elapsed();
        signals::pause((worked * Self::SHARE).clamp(Self::LEAST, Self::MOST))?;
        self.since = Instant::now();
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    signals::listen();
    signals::give_way();
    let format = args.format.or_framing(args.framing);
    let mut follower = Follower::open(&args.name.name, args.from.into())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut ease = Ease {
        since: Instant::now(),
    };
    let mut shown = 0;
    while args.count.is_none_or(|count| shown < count) {
        signals::check()?;
        match follower.next()? {
            Seen::Message { number, tag, bytes } => {
                format
                    .write(&mut out, (number, tag), bytes)
                    .map_err(Stop::io("output"))?;
                shown += 1;
            }
            Seen::Missed(missed) => {
                out.flush().map_err(Stop::io("output"))?;
                let missed = human::count(missed, "message");
                eprintln!("kren: missed {missed}: passed too fast");
                ease.rest()?;
            }
            _ => {
                out.flush().map_err(Stop::io("output"))?;
                if !args.follow || !follower.wait()? {
                    break;
                }
                ease.since = Instant::now();
            }
        }
    }
    out.flush().map_err(Stop::io("output"))
}
