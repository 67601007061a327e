//! `kren record`: a channel's messages in an MCAP file.

use crate::human;
use crate::options::{Name, Waiting};
use crate::signals;
use crate::stop::{Outcome, Stop};
use crate::tail::{self, Follower};
use clap::ValueEnum;
use kren_core::inspect::{self, Channel, Kind, Seen, TailFrom};
use kren_core::{Error, KrenReader, KrenSubscriber};
use mcap::records::{MessageHeader, Metadata};
use mcap::{Compression, WriteOptions, Writer};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Record a channel's messages in an MCAP file, which Foxglove and many libraries read.
///
/// Takes no part in the channel, so messages may pass too fast: it says how many it missed. `--lossless` takes part instead:
/// as a subscriber of a broadcast, or as the receiver of a channel, which then has no other.
///
/// Tags that are not 0 stand in a second topic, NAME/tags: the message's sequence number and its tag, 4 bytes each,
/// little-endian.
///
/// A file that was not finished, say after a crash, holds all up to the last second. `kren replay` and readers of streams take it as it
/// is (in Python `StreamReader`, or `NonSeekingReader` with `log_time_order=False`, until they raise `EndOfFile`); readers that want its
/// index do not: `mcap recover FILE -o WHOLE`, of MCAP's own command, finishes it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren record ticks ticks.mcap
  kren record ticks ticks.mcap --lossless --compression zstd --encoding json
  kren record ticks ticks.mcap --for 10m")]
pub(crate) struct Args {
    #[command(flatten)]
    name: Name,
    /// The file to make.
    file: PathBuf,
    /// Take part, so that the writer waits for the recording.
    #[arg(long)]
    lossless: bool,
    /// How chunks are compressed.
    #[arg(long, value_enum, default_value_t)]
    compression: Packing,
    /// What the messages are, for those who read the file: json, protobuf, cbor, msgpack, cdr, ros1.
    #[arg(long, value_name = "ENCODING", default_value = "")]
    encoding: String,
    /// End after so many messages.
    #[arg(short = 'n', long, value_name = "MESSAGES")]
    count: Option<u64>,
    /// End after so long.
    #[arg(long = "for", value_name = "TIME", value_parser = human::parse_time)]
    duration: Option<Duration>,
    /// Replace a file that is there.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Packing {
    #[default]
    None,
    Zstd,
}

/// After the channel's name: the topic of the tags.
pub(crate) const TAGS: &str = "/tags";
/// Between two writings out: what a crash may cost.
const PAUSE: Duration = Duration::from_secs(1);

/// Where messages come from.
enum Source {
    Observer(Box<Follower>),
    Member(Box<KrenReader>),
}

/// What comes next.
enum Next {
    Message,
    Missed(u64),
    Nothing,
    End,
}

/// A message, copied.
#[derive(Default)]
struct Copied {
    number: u64,
    tag: u32,
    bytes: Vec<u8>,
}

/// The channel, once it is there; without a time to wait it has to be.
fn come(name: &str, timeout: Option<Duration>) -> Outcome<Channel> {
    let start = Instant::now();
    loop {
        match inspect::channel(name) {
            Err(Error::NotFound { .. }) if timeout.is_some_and(|most| start.elapsed() < most) => {
                signals::pause(tail::PAUSE)?;
            }
            found => return Ok(found?),
        }
    }
}

impl Source {
    fn open(args: &Args) -> Outcome<Self> {
        let name = &args.name.name;
        let seen = come(name, args.waiting.timeout)?;
        if !args.lossless {
            let from = TailFrom::Unread;
            return Ok(Self::Observer(Box::new(Follower::open(name, from)?)));
        }
        let kind = seen.segment().map(|segment| segment.kind);
        let (any_owner, timeout) = (args.waiting.any_owner, args.waiting.timeout);
        if kind == Some(Kind::Broadcast) {
            let options = KrenSubscriber::options().any_owner(any_owner);
            let joined = options.connect_within(name, timeout, &mut signals::check)?;
            return Ok(Self::Member(Box::new(joined.into_reader())));
        }
        let options = KrenReader::options().any_owner(any_owner);
        let reader = options.connect_within(name, timeout, &mut signals::check)?;
        Ok(Self::Member(Box::new(reader)))
    }

    /// Copies the next message into `copy`, waiting a little for it.
    fn next(&mut self, copy: &mut Copied) -> Outcome<Next> {
        match self {
            Self::Observer(follower) => match follower.next()? {
                Seen::Message { number, tag, bytes } => {
                    copy.number = number;
                    copy.tag = tag;
                    copy.bytes.clear();
                    copy.bytes.extend_from_slice(bytes);
                    Ok(Next::Message)
                }
                Seen::Missed(missed) => Ok(Next::Missed(missed)),
                _ => match follower.wait()? {
                    true => Ok(Next::Nothing),
                    false => Ok(Next::End),
                },
            },
            Self::Member(reader) => {
                let waited = reader.wait_readable(Some(PAUSE), &mut signals::check);
                let number = reader.place().1;
                let read = waited.and_then(|()| match reader.try_read()? {
                    Some(message) => {
                        copy.number = number;
                        copy.tag = message.tag();
                        copy.bytes.clear();
                        copy.bytes.extend_from_slice(&message);
                        Ok(Next::Message)
                    }
                    None => Ok(Next::Nothing),
                });
                match read {
                    Err(Error::TimedOut { .. }) => Ok(Next::Nothing),
                    Err(Error::Closed { .. }) => Ok(Next::End),
                    Err(Error::Lagged { missed, .. } | Error::Evicted { missed, .. }) => {
                        Ok(Next::Missed(missed))
                    }
                    read => Ok(read?),
                }
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    signals::listen();
    let mut source = Source::open(args)?;
    let mut file = Recording::start(args)?;
    let mut copy = Copied::default();
    let start = Instant::now();
    let (mut recorded, mut missed) = (0, 0);
    let outcome = loop {
        let is_enough = args.count.is_some_and(|count| recorded >= count)
            || args.duration.is_some_and(|most| start.elapsed() >= most);
        if is_enough || signals::is_stopped() {
            break Ok(());
        }
        match source.next(&mut copy) {
            Ok(Next::Message) => {
                file.write(&copy)?;
                recorded += 1;
            }
            Ok(Next::Missed(more)) => missed += more,
            Ok(Next::Nothing) => {}
            Ok(Next::End) => break Ok(()),
            // What was recorded is kept, whatever ends it.
            Err(Stop::Interrupted) => break Ok(()),
            Err(stop) => break Err(stop),
        }
        file.write_out_in_time()?;
    };
    file.finish(recorded, missed)?;
    let lost = match missed {
        0 => String::new(),
        missed => format!(", {missed} missed"),
    };
    eprintln!("kren: {} recorded{lost}", human::count(recorded, "message"));
    outcome
}

/// An MCAP file that grows.
struct Recording {
    path: PathBuf,
    name: String,
    writer: Writer<BufWriter<File>>,
    messages: u16,
    tags: u16,
    written_out: Instant,
}

impl Recording {
    fn start(args: &Args) -> Outcome<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        match args.overwrite {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let file = options
            .open(&args.file)
            .map_err(Stop::io(args.file.display().to_string()))?;
        let compression = match args.compression {
            Packing::None => None,
            Packing::Zstd => Some(Compression::Zstd),
        };
        let made = WriteOptions::new()
            .compression(compression)
            // A chunk goes out as a whole: else a file that was not finished would end in one that says it has 2^64 - 1 bytes,
            // at which readers stumble.
            .disable_seeking(true)
            .profile("")
            .library(concat!("kren ", env!("CARGO_PKG_VERSION")))
            .create(BufWriter::new(file));
        let name = args.name.name.clone();
        let path = args.file.clone();
        let broken = |error| broken(&args.file, &error);
        let mut writer = made.map_err(broken)?;
        let seen = inspect::channel(&name)?;
        let segment = seen.segment();
        let schema = match segment.and_then(|segment| segment.schema.as_ref()) {
            Some(schema) => writer
                .add_schema(&schema.name, "text", schema.text.as_bytes())
                .map_err(broken)?,
            None => 0,
        };
        let figures = figures(segment);
        let messages = writer
            .add_channel(schema, &name, &args.encoding, &figures)
            .map_err(broken)?;
        let tags = writer
            .add_channel(0, &format!("{name}{TAGS}"), "", &BTreeMap::new())
            .map_err(broken)?;
        Ok(Self {
            path,
            name,
            writer,
            messages,
            tags,
            written_out: Instant::now(),
        })
    }

    fn write(&mut self, copy: &Copied) -> Outcome {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = now.unwrap_or_default().as_nanos() as u64;
        let mut put = |channel_id: u16, bytes: &[u8]| {
            let header = MessageHeader {
                channel_id,
                sequence: copy.number as u32,
                log_time: time,
                publish_time: time,
            };
            self.writer
                .write_to_known_channel(&header, bytes)
                .map_err(|error| broken(&self.path, &error))
        };
        if copy.tag != 0 {
            let mut pair = [0; 8];
            pair[..4].copy_from_slice(&(copy.number as u32).to_le_bytes());
            pair[4..].copy_from_slice(&copy.tag.to_le_bytes());
            put(self.tags, &pair)?;
        }
        put(self.messages, &copy.bytes)
    }

    /// What is written out is not lost with this process.
    fn write_out_in_time(&mut self) -> Outcome {
        if self.written_out.elapsed() >= PAUSE {
            self.written_out = Instant::now();
            let flushed = self.writer.flush();
            flushed.map_err(|error| broken(&self.path, &error))?;
        }
        Ok(())
    }

    fn finish(mut self, recorded: u64, missed: u64) -> Outcome {
        let figures = [
            ("channel", self.name.clone()),
            ("recorded", recorded.to_string()),
            ("missed", missed.to_string()),
        ];
        let metadata = Metadata {
            name: "kren".into(),
            metadata: figures.map(|(name, value)| (name.into(), value)).into(),
        };
        self.writer
            .write_metadata(&metadata)
            .and_then(|()| self.writer.finish().map(drop))
            .map_err(|error| broken(&self.path, &error))?;
        let mut file = self.writer.into_inner();
        std::io::Write::flush(&mut file).map_err(Stop::io(self.path.display().to_string()))
    }
}

/// What is known of the channel, for whoever reads the file.
fn figures(segment: Option<&inspect::Segment>) -> BTreeMap<String, String> {
    let mut figures = BTreeMap::new();
    if let Some(segment) = segment {
        for (name, value) in [
            ("kren.kind", segment.kind.name().to_owned()),
            ("kren.capacity", segment.capacity.to_string()),
            ("kren.alignment", segment.alignment.to_string()),
            ("kren.instance", format!("{:016x}", segment.instance)),
        ] {
            figures.insert(name.into(), value);
        }
    }
    figures
}

pub(crate) fn broken(path: &std::path::Path, error: &mcap::McapError) -> Stop {
    // What the system says stands behind what the format says.
    let reason = std::error::Error::source(error);
    let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
    Stop::Other(format!("{}: {error}{reason}", path.display()))
}
