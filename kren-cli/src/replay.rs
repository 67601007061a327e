//! `kren replay`: an MCAP file into a channel.

use crate::human;
use crate::options::{Making, Waiting};
use crate::progress::Progress;
use crate::record::{TAGS, broken};
use crate::signals;
use crate::stop::{Outcome, Stop};
use kren_core::{KrenPublisher, KrenWriter};
use mcap::{McapError, MessageStream};
use memmap2::Mmap;
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Replay an MCAP file into a channel, in its own time.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren replay ticks.mcap ticks
  kren replay ticks.mcap ticks --speed 2 --loop
  kren replay ticks.mcap ticks --fast --drain
  kren replay robot.mcap scan --topic /lidar --broadcast")]
pub(crate) struct Args {
    /// The file.
    file: PathBuf,
    /// The channel to write into.
    name: String,
    /// The topic to replay, where the file has several.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// So many times as fast as it was recorded.
    #[arg(
        long,
        value_name = "TIMES",
        default_value_t = 1.0,
        conflicts_with = "fast"
    )]
    speed: f64,
    /// As fast as the other side takes it.
    #[arg(long)]
    fast: bool,
    /// Begin again at the end, until stopped.
    #[arg(long = "loop")]
    again: bool,
    /// Into a broadcast.
    #[arg(long)]
    broadcast: bool,
    /// Wait at the end until everything is delivered.
    #[arg(short = 'd', long)]
    drain: bool,
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    waiting: Waiting,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.speed.is_nan() || args.speed <= 0.0 {
        return Err(Stop::Usage("`--speed` is to be more than 0".into()));
    }
    signals::listen();
    let file = File::open(&args.file).map_err(Stop::io(args.file.display().to_string()))?;
    // SAFETY: the file is only read; a file that is cut meanwhile ends this process, as for any program that maps one.
    #[allow(unsafe_code)]
    let bytes = unsafe { Mmap::map(&file) };
    let bytes = bytes.map_err(Stop::io(args.file.display().to_string()))?;
    let topic = match &args.topic {
        Some(topic) => topic.clone(),
        None => only_topic(args, &bytes)?,
    };
    let mut player = Player {
        writer: open(args)?,
        args,
        topic,
        progress: Progress::new(false),
        was_cut: false,
    };
    let outcome = loop {
        let outcome = player.play(&bytes);
        if outcome.is_err() || !args.again || player.progress.messages == 0 {
            break outcome;
        }
    };
    let Player {
        mut writer,
        progress,
        was_cut,
        ..
    } = player;
    let messages = progress.messages;
    drop(progress);
    if let Err(stop) = outcome {
        // Not to be taken for the end.
        let _ = writer.break_off();
        return Err(stop);
    }
    if was_cut {
        eprintln!("kren: the file was not finished; what there is was replayed");
    }
    eprintln!("kren: {} replayed", human::count(messages, "message"));
    if args.drain || cfg!(windows) {
        writer.wait_drained(args.waiting.timeout, &mut signals::check)?;
    }
    Ok(writer.close()?)
}

fn open(args: &Args) -> Outcome<KrenWriter> {
    let figures = args.making.figures(&args.name);
    if args.broadcast {
        let mut options = KrenPublisher::options()
            .alignment(figures.alignment)
            .fresh(args.making.fresh)
            .any_owner(args.waiting.any_owner);
        if let Some(mode) = args.making.mode {
            options = options.mode(mode);
        }
        return Ok(options.create(&args.name, figures.capacity)?.into_writer());
    }
    let mut options = KrenWriter::options()
        .alignment(figures.alignment)
        .fresh(args.making.fresh)
        .any_owner(args.waiting.any_owner);
    if let Some(mode) = args.making.mode {
        options = options.mode(mode);
    }
    Ok(options.create_checked(&args.name, figures.capacity, &mut signals::check)?)
}

/// The messages of the file; those of one that was not finished as far as they go.
fn messages<'a>(args: &Args, bytes: &'a [u8]) -> Outcome<MessageStream<'a>> {
    let options = mcap::read::Options::IgnoreEndMagic;
    MessageStream::new_with_options(bytes, options.into())
        .map_err(|error| broken(&args.file, &error))
}

/// Whether the file ends in the middle of something.
fn is_cut(error: &McapError) -> bool {
    matches!(error, McapError::UnexpectedEof | McapError::UnexpectedEoc)
}

/// The topic of a file with one.
fn only_topic(args: &Args, bytes: &[u8]) -> Outcome<String> {
    let mut topics = vec![];
    for message in messages(args, bytes)? {
        let message = match message {
            Ok(message) => message,
            Err(error) if is_cut(&error) => break,
            Err(error) => return Err(broken(&args.file, &error)),
        };
        if !topics.contains(&message.channel.topic) {
            topics.push(message.channel.topic.clone());
        }
    }
    let all = topics.clone();
    topics.retain(|topic| {
        let of = topic.strip_suffix(TAGS);
        !of.is_some_and(|of| all.iter().any(|topic| topic == of))
    });
    match &topics[..] {
        [topic] => Ok(topic.clone()),
        [] => Err(Stop::Other(format!(
            "{}: it holds no messages",
            args.file.display()
        ))),
        topics => Err(Stop::Usage(format!(
            "{} has several topics: choose one with `--topic`: {}",
            args.file.display(),
            topics.join(", ")
        ))),
    }
}

struct Player<'a> {
    writer: KrenWriter,
    args: &'a Args,
    topic: String,
    progress: Progress,
    was_cut: bool,
}

impl Player<'_> {
    fn play(&mut self, bytes: &[u8]) -> Outcome {
        let tags = format!("{}{TAGS}", self.topic);
        let start = Instant::now();
        let mut first = None;
        let mut tag = (0, 0);
        for message in messages(self.args, bytes)? {
            let message = match message {
                Ok(message) => message,
                Err(error) if is_cut(&error) => {
                    self.was_cut = true;
                    break;
                }
                Err(error) => return Err(broken(&self.args.file, &error)),
            };
            if message.channel.topic == tags
                && let Ok(pair) = <[u8; 8]>::try_from(&message.data[..])
            {
                let pair = u64::from_le_bytes(pair);
                tag = (pair as u32, (pair >> 32) as u32);
                continue;
            }
            if message.channel.topic != self.topic {
                continue;
            }
            let first = *first.get_or_insert(message.log_time);
            if !self.args.fast {
                let passed = message.log_time.saturating_sub(first);
                pause_until(start, Duration::from_nanos(passed).div_f64(self.args.speed))?;
            }
            // Written just before the message it belongs to.
            let own_tag = match std::mem::take(&mut tag) {
                (sequence, tag) if sequence == message.sequence => tag,
                _ => 0,
            };
            signals::check()?;
            let timeout = self.args.waiting.timeout;
            let len = message.data.len();
            self.writer
                .wait_writable(len, timeout, &mut signals::check)?;
            self.writer.try_write_tagged(own_tag, &message.data)?;
            self.progress.add(1, len as u64);
        }
        Ok(())
    }
}

fn pause_until(start: Instant, due: Duration) -> Outcome {
    Ok(signals::pause(due.saturating_sub(start.elapsed()))?)
}
