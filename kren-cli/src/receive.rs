//! `kren recv` and `kren sub`: from a channel or a broadcast to the output.

use crate::format::Format;
use crate::human;
use crate::options::{Framing, Name, Waiting};
use crate::progress::{self, Progress};
use crate::signals;
use crate::stop::{Outcome, Stop};
use clap::ValueEnum;
use kren_core::{Error, KrenReader, KrenSubscriber, Start};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

/// What the two have in common.
#[derive(clap::Args)]
struct Receiving {
    /// How messages are written.
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    framing: Framing,
    /// End after so many messages.
    #[arg(short = 'n', long, value_name = "MESSAGES")]
    count: Option<u64>,
    /// When the writer is gone, wait for the next one.
    #[arg(short = 'F', long)]
    follow: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Receive a channel's messages and write them to the output.
///
/// Waits for the channel if it does not exist yet. A message counts as delivered once it is written: if the output breaks
/// down, the next receiver gets it. Ends when the writer has closed and everything is received.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren recv files | tar x
  kren recv log --lines --follow
  kren recv numbers -n 3 --timeout 5 --format json
  kren recv frames --format hex | less")]
pub(crate) struct RecvArgs {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    receiving: Receiving,
}

/// Subscribe to a broadcast and write its messages to the output.
///
/// The publisher waits for a subscriber that is slow, unless it is `--lossy`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren sub log --lines
  kren sub ticks --lossy --format json
  kren sub orders --durable billing --from oldest")]
pub(crate) struct SubArgs {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    receiving: Receiving,
    /// Never hold the publisher up: miss messages instead, and say how many.
    #[arg(long, conflicts_with = "durable")]
    lossy: bool,
    /// Keep the place when this command ends: the next subscriber of this NAME goes on there.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    durable: Option<String>,
    /// Where to start.
    #[arg(long, value_enum, default_value_t)]
    from: Beginning,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Beginning {
    /// With what is published from now on.
    #[default]
    Newest,
    /// With the oldest message that is still there.
    Oldest,
}

pub(crate) fn receive(args: &RecvArgs) -> Outcome {
    signals::listen();
    let receiving = &args.receiving;
    let options = KrenReader::options().any_owner(receiving.waiting.any_owner);
    let timeout = receiving.waiting.timeout;
    let reader = options.connect_within(&args.name.name, timeout, &mut signals::check)?;
    Receiver::new(reader, receiving, true)?.run()
}

pub(crate) fn subscribe(args: &SubArgs) -> Outcome {
    signals::listen();
    let receiving = &args.receiving;
    let mut options = KrenSubscriber::options()
        .any_owner(receiving.waiting.any_owner)
        .lossy(args.lossy)
        .start(match args.from {
            Beginning::Newest => Start::Newest,
            Beginning::Oldest => Start::Oldest,
        });
    if let Some(name) = &args.durable {
        options = options.durable(name);
    }
    let timeout = receiving.waiting.timeout;
    let subscriber = options.connect_within(&args.name.name, timeout, &mut signals::check)?;
    let reader = subscriber.into_reader();
    // What may be overwritten is copied anyway, and given back at once.
    Receiver::new(reader, receiving, false)?.run()
}

struct Receiver<'a> {
    reader: KrenReader,
    receiving: &'a Receiving,
    format: Format,
    out: BufWriter<File>,
    progress: Progress,
    /// Whether messages are given back together, once they are written.
    holds: bool,
    /// Bytes of messages that are not given back.
    held: usize,
    /// Bytes after which they are.
    most: usize,
}

/// Bytes that are written at a time, where messages are shorter: few enough to stay in the processor's own cache. Longer
/// messages are written from where they lie.
const CHUNK: usize = 64 * 1024;

impl<'a> Receiver<'a> {
    fn new(reader: KrenReader, receiving: &'a Receiving, holds: bool) -> Outcome<Self> {
        let out = progress::output().map_err(Stop::io("output"))?;
        Ok(Self {
            format: receiving.format.or_framing(receiving.framing),
            out: BufWriter::with_capacity(CHUNK, out),
            progress: Progress::new(io::stdout().is_terminal()),
            // So that the writer is never kept waiting for us while it has something to do.
            most: (reader.capacity() / 4).min(CHUNK),
            held: 0,
            holds,
            reader,
            receiving,
        })
    }

    fn run(mut self) -> Outcome {
        let outcome = self.transfer();
        // An error of the output is not to be covered by one of the channel.
        self.give_back()?;
        self.reader.close()?;
        outcome
    }

    fn transfer(&mut self) -> Outcome {
        loop {
            signals::check()?;
            if self
                .receiving
                .count
                .is_some_and(|count| self.progress.messages >= count)
            {
                return Ok(());
            }
            match self.take() {
                Ok(true) => continue,
                Ok(false) => {}
                Err(stop) => {
                    self.overlook(stop)?;
                    continue;
                }
            }
            self.give_back()?;
            let timeout = self.receiving.waiting.timeout;
            match self.reader.wait_readable(timeout, &mut signals::check) {
                Ok(()) => {}
                Err(Error::Closed { .. }) if !self.receiving.follow => return Ok(()),
                Err(Error::Closed { .. } | Error::PeerDied { .. } | Error::Removed { .. })
                    if self.receiving.follow =>
                {
                    self.reader.wait_attached(timeout, &mut signals::check)?;
                }
                Err(error) => self.overlook(error.into())?,
            }
        }
    }

    /// Says what was missed, and goes on.
    fn overlook(&self, stop: Stop) -> Outcome {
        match stop {
            Stop::Kren(Error::Lagged { missed, .. }) => {
                eprintln!(
                    "kren: missed {}, being too slow",
                    human::count(missed, "message")
                );
                Ok(())
            }
            Stop::Kren(Error::Evicted { missed, .. }) => {
                eprintln!(
                    "kren: missed {}: the publisher would not wait any longer",
                    human::count(missed, "message")
                );
                Ok(())
            }
            stop => Err(stop),
        }
    }

    /// Writes the next message, if there is one.
    fn take(&mut self) -> Outcome<bool> {
        let number = self.reader.place().1;
        let Some(message) = self.reader.try_read()? else {
            return Ok(false);
        };
        let len = message.len();
        let written = self
            .format
            .write(&mut self.out, (number, message.tag()), &message);
        if let Err(error) = written {
            // It stays where it is, for the next receiver.
            message.keep();
            return Err(Stop::Io("output".into(), error));
        }
        if self.holds {
            message.step_over();
            self.held += len + 8;
        } else {
            drop(message);
        }
        self.progress.add(1, len as u64);
        if self.held >= self.most {
            self.give_back()?;
        }
        Ok(true)
    }

    /// Writes what is buffered out, then lets the writer have the room.
    fn give_back(&mut self) -> Outcome {
        self.out.flush().map_err(Stop::io("output"))?;
        if self.held > 0 {
            self.held = 0;
            let (position, count) = self.reader.place();
            self.reader.release_to(position, count)?;
        }
        Ok(())
    }
}
