//! `kren send` and `kren pub`: from the input into a channel or a broadcast.

use crate::format::{Cut, Cutter};
use crate::human::{parse_size, parse_time};
use crate::options::{Framing, Making, Waiting};
use crate::progress::Progress;
use crate::signals;
use crate::stop::{Outcome, Stop};
use clap::ValueEnum;
use kren_core::inspect::{self, Channel, Kind};
use kren_core::{KrenDealer, KrenPublisher, KrenSender, KrenWriter, Order};
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::time::{Duration, Instant};

/// What the two have in common.
#[derive(clap::Args)]
struct Sending {
    #[command(flatten)]
    framing: Framing,
    /// Without a framing: the most that one message takes of the stream.
    #[arg(short, long, value_name = "SIZE", default_value = "64K", value_parser = parse_size)]
    block: usize,
    #[command(flatten)]
    making: Making,
    /// At most so many messages each second.
    #[arg(short, long, value_name = "MESSAGES")]
    rate: Option<f64>,
    /// The tag of each message.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    tag: u32,
    #[command(flatten)]
    waiting: Waiting,
    /// Wait at the end until everything is delivered.
    #[arg(short = 'd', long)]
    drain: bool,
}

/// Send the input into a channel, an inbox or a work queue.
///
/// What is not received yet when the input ends stays in the channel (on Windows `send` waits until it is received). Of a
/// queue each message goes to one worker; `send` waits for the first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tar c . | kren send files                the whole stream; `kren recv files | tar x` gets it
  tail -F log | kren send log --lines      each line is a message
  seq 10 | kren send numbers -l --rate 2 --tag 7
  find . -print0 | kren send found -0 --drain --timeout 10
  find . -name '*.png' | kren send resize --to queue --lines --drain")]
pub(crate) struct SendArgs {
    /// The channel's name.
    name: String,
    /// What it is. Else what stands there, and where nothing does a channel.
    #[arg(long, value_enum, value_name = "KIND")]
    to: Option<Target>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// One receiver.
    Channel,
    /// Other senders too, and one receiver.
    Inbox,
    /// Several receivers, of which each message goes to one.
    Queue,
}

impl Target {
    fn standing_at(name: &str) -> Self {
        let seen = inspect::channel(name).ok();
        match seen
            .as_ref()
            .and_then(Channel::segment)
            .map(|seen| seen.kind)
        {
            Some(Kind::Inbox) => Self::Inbox,
            Some(Kind::Queue) => Self::Queue,
            // Of other kinds the channel itself says what they are.
            _ => Self::Channel,
        }
    }
}

/// Send the input into a broadcast.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tail -F log | kren pub log --lines
  seq 100 | kren pub numbers -l --rate 10 --wait-for 2
  sensor | kren pub readings -p --evict-after 1")]
pub(crate) struct PubArgs {
    /// The broadcast's name.
    name: String,
    #[command(flatten)]
    sending: Sending,
    /// Seats for subscribers, where the broadcast has to be made: 1 to 64.
    #[arg(long, value_name = "SEATS", default_value_t = 16)]
    subscribers: usize,
    /// Wait first until so many subscribers are there.
    #[arg(long, value_name = "COUNT")]
    wait_for: Option<usize>,
    /// Pass over a subscriber that makes a message wait for so long.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    evict_after: Option<Duration>,
}

pub(crate) fn send(args: &SendArgs) -> Outcome {
    signals::listen();
    let (name, sending) = (args.name.as_str(), &args.sending);
    match args.to.unwrap_or_else(|| Target::standing_at(name)) {
        Target::Channel => feed(channel(name, sending)?, sending),
        Target::Inbox => feed(inbox(name, sending)?, sending),
        Target::Queue => deal(queue(name, sending)?, sending),
    }
}

fn channel(name: &str, sending: &Sending) -> Outcome<KrenWriter> {
    let figures = sending.making.figures(name);
    let mut options = KrenWriter::options()
        .alignment(figures.alignment)
        .fresh(sending.making.fresh)
        .any_owner(sending.waiting.any_owner);
    if let Some(mode) = sending.making.mode {
        options = options.mode(mode);
    }
    Ok(options.create_checked(name, figures.capacity, &mut signals::check)?)
}

fn inbox(name: &str, sending: &Sending) -> Outcome<KrenWriter> {
    let figures = sending.making.figures(name);
    let mut options = KrenSender::options()
        .capacity(figures.capacity)
        .alignment(figures.alignment)
        .any_owner(sending.waiting.any_owner);
    if let Some(mode) = sending.making.mode {
        options = options.mode(mode);
    }
    Ok(options.connect(name)?.into_writer())
}

fn queue(name: &str, sending: &Sending) -> Outcome<KrenDealer> {
    let figures = sending.making.figures(name);
    let mut options = KrenDealer::options()
        .alignment(figures.alignment)
        .any_owner(sending.waiting.any_owner);
    if let Some(mode) = sending.making.mode {
        options = options.mode(mode);
    }
    Ok(options.create(name, figures.capacity)?)
}

pub(crate) fn publish(args: &PubArgs) -> Outcome {
    signals::listen();
    let sending = &args.sending;
    let figures = sending.making.figures(&args.name);
    let mut options = KrenPublisher::options()
        .subscribers(args.subscribers)
        .alignment(figures.alignment)
        .fresh(sending.making.fresh)
        .any_owner(sending.waiting.any_owner);
    if let Some(mode) = sending.making.mode {
        options = options.mode(mode);
    }
    if let Some(patience) = args.evict_after {
        options = options.evict_after(patience);
    }
    let publisher = options.create(&args.name, figures.capacity)?;
    let mut writer = publisher.into_writer();
    if let Some(count) = args.wait_for {
        writer.wait_subscribed(count, sending.waiting.timeout, &mut signals::check)?;
    }
    feed(writer, sending)
}

fn feed(mut writer: KrenWriter, sending: &Sending) -> Outcome {
    let outcome = Feeder::new(&mut writer, sending)
        .and_then(|mut feeder| feeder.run())
        // Ctrl-C ends those as well whose output this is: then the end of input is not that of the stream.
        .and_then(|()| Ok(signals::check()?));
    if let Err(stop) = outcome {
        // Whoever receives must not take a broken stream for a whole one.
        let _ = writer.break_off();
        return Err(stop);
    }
    if sending.drain || cfg!(windows) {
        writer.wait_drained(sending.waiting.timeout, &mut signals::check)?;
    }
    Ok(writer.close()?)
}

/// Each message to the worker with the fewest.
fn deal(mut dealer: KrenDealer, sending: &Sending) -> Outcome {
    let pace = Pace::new(sending)?;
    let mut progress = Progress::new(io::stdin().is_terminal());
    let timeout = sending.waiting.timeout;
    let longest = dealer.max_message_len();
    let input = crate::progress::input().map_err(Stop::io("input"))?;
    cut(input, sending, longest, &mut |messages| {
        for message in messages {
            pace.keep(progress.messages)?;
            let mut order = Order::new(message);
            order.tag = sending.tag;
            dealer.write_checking(&order, timeout, &mut signals::check)?;
            progress.add(1, message.len() as u64);
        }
        Ok(())
    })?;
    if sending.drain {
        dealer.drain_checking(timeout, &mut signals::check)?;
    }
    Ok(dealer.close()?)
}

/// Gives the messages of the input to `take`, as many as a look at it brings.
fn cut(
    input: File,
    sending: &Sending,
    longest: usize,
    take: &mut dyn FnMut(&[&[u8]]) -> Outcome,
) -> Outcome {
    let framing = Cut::from(sending.framing);
    let at_a_time = match framing {
        Cut::Blocks => sending.block.min(longest),
        _ => CHUNK,
    };
    let source = BufReader::with_capacity(at_a_time, input);
    let mut cutter = Cutter::new(source, framing, longest);
    loop {
        match cutter.next::<Stop>(&mut |messages| take(messages)) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Stop::Io(_, error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(stop) => return Err(stop),
        }
        signals::check()?;
    }
}

/// `--rate`.
struct Pace {
    rate: Option<f64>,
    start: Instant,
}

impl Pace {
    fn new(sending: &Sending) -> Outcome<Self> {
        let rate = sending.rate;
        if rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
            return Err(Stop::Usage(
                "`--rate` is to be more than 0 messages a second".into(),
            ));
        }
        if sending.block == 0 {
            return Err(Stop::Usage("`--block` is to be at least 1 byte".into()));
        }
        let start = Instant::now();
        Ok(Self { rate, start })
    }

    /// Waits until the message behind so many is due.
    fn keep(&self, messages: u64) -> Outcome {
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let due = Duration::from_secs_f64(messages as f64 / rate);
        let left = due.saturating_sub(self.start.elapsed());
        Ok(signals::pause(left)?)
    }
}

struct Feeder<'a> {
    writer: &'a mut KrenWriter,
    sending: &'a Sending,
    input: File,
    progress: Progress,
    pace: Pace,
}

/// Bytes that are read at a time, where messages are shorter: a buffer that stays in the processor's own cache beside what passes
/// through it. With 256 KiB the system's copy into it took three times as long.
const CHUNK: usize = 64 * 1024;

impl<'a> Feeder<'a> {
    fn new(writer: &'a mut KrenWriter, sending: &'a Sending) -> Outcome<Self> {
        let pace = Pace::new(sending)?;
        let input = crate::progress::input().map_err(Stop::io("input"))?;
        Ok(Self {
            progress: Progress::new(io::stdin().is_terminal()),
            writer,
            sending,
            input,
            pace,
        })
    }

    fn run(&mut self) -> Outcome {
        if Cut::from(self.sending.framing) == Cut::Blocks {
            return self.blocks();
        }
        let input = self.input.try_clone().map_err(Stop::io("input"))?;
        let longest = self.writer.max_message_len();
        cut(input, self.sending, longest, &mut |messages| {
            self.write(messages)
        })
    }

    /// Reads straight into the ring: what one read brings is a message.
    fn blocks(&mut self) -> Outcome {
        // So that several blocks are under way at a time.
        let block = self.sending.block.min(self.writer.capacity() / 4);
        loop {
            signals::check()?;
            self.pace.keep(self.progress.messages)?;
            let timeout = self.sending.waiting.timeout;
            self.writer
                .wait_writable(block, timeout, &mut signals::check)?;
            let mut slot = self.writer.try_reserve(block)?;
            let len = match self.input.read(&mut slot) {
                Ok(0) => return Ok(()),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    slot.abort();
                    signals::check()?;
                    continue;
                }
                Err(error) => return Err(Stop::Io("input".into(), error)),
            };
            slot.set_tag(self.sending.tag);
            slot.commit_len(len)?;
            self.progress.add(1, len as u64);
        }
    }

    fn write(&mut self, messages: &[&[u8]]) -> Outcome {
        if self.sending.rate.is_some() {
            for message in messages {
                self.pace.keep(self.progress.messages)?;
                self.group(&[message])?;
            }
            return Ok(());
        }
        // Large enough that a wake-up pays, small enough that the other side is busy meanwhile.
        let most = (self.writer.capacity() / 4).min(CHUNK);
        let mut rest = messages;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|message| {
                bytes += self.stride(message.len());
                bytes <= most
            });
            let count = fits.count().max(1);
            let (group, behind) = rest.split_at(count);
            self.group(group)?;
            rest = behind;
        }
        Ok(())
    }

    fn stride(&self, len: usize) -> usize {
        (len + 8).next_multiple_of(self.writer.alignment())
    }

    /// Writes messages that become visible together.
    fn group(&mut self, messages: &[&[u8]]) -> Outcome {
        let strides = messages.iter().map(|message| self.stride(message.len()));
        let room = strides.sum::<usize>() - 8;
        let timeout = self.sending.waiting.timeout;
        self.writer
            .wait_writable(room, timeout, &mut signals::check)?;
        let mut batch = self.writer.batch();
        let mut bytes = 0;
        for message in messages {
            batch.push_tagged(self.sending.tag, message)?;
            bytes += message.len() as u64;
        }
        batch.commit();
        self.progress.add(messages.len() as u64, bytes);
        Ok(())
    }
}
