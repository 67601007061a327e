//! The two processes of a measurement.

use super::lost;
use crate::stop::{Outcome, Stop};
use kren_core::{Error, KrenReader, KrenWriter};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CAPACITY: usize = 8 << 20;
/// Far beyond what any step takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of a message that is to be sent back.
const ANSWER: u32 = 1;

/// The measuring side.
pub(super) struct Pair {
    writer: KrenWriter,
    reader: KrenReader,
    child: Child,
}

impl Pair {
    pub(super) fn start() -> Outcome<Self> {
        let name = format!("bench-{}", std::process::id());
        let writer = KrenWriter::options()
            .fresh(true)
            .create(&format!("{name}.there"), CAPACITY)?;
        let program = std::env::current_exe().map_err(Stop::io("this program"))?;
        let child = Command::new(program)
            .args(["bench", "--echo", &name])
            .stdin(Stdio::null())
            .spawn()
            .map_err(Stop::io("this program"))?;
        let reader = KrenReader::options()
            .timeout(PATIENCE)
            .connect(&format!("{name}.back"))?;
        Ok(Self {
            writer,
            reader,
            child,
        })
    }

    /// Nanoseconds.
    pub(super) fn round_trip(&mut self, size: usize, turn: Duration) -> Outcome<f64> {
        let message = vec![7; size];
        let start = Instant::now();
        let mut trips = 0_u64;
        while trips < 10 || start.elapsed() < turn {
            self.writer.write_tagged(ANSWER, &message)?;
            let answer = self.reader.read_timeout(PATIENCE)?;
            if answer.len() != size {
                return Err(lost("answers with something else"));
            }
            trips += 1;
        }
        Ok(start.elapsed().as_nanos() as f64 / trips as f64)
    }

    /// Messages each second, from the first one written to the last one read.
    pub(super) fn one_way(&mut self, size: usize, turn: Duration) -> Outcome<f64> {
        let message = vec![7; size];
        let start = Instant::now();
        let mut messages = 0_u64;
        let group = (64 * 1024 / size).clamp(1, 64) as u64;
        while start.elapsed() < turn {
            for _ in 0..group {
                self.writer.write(&message)?;
            }
            messages += group;
        }
        self.writer.write_tagged(ANSWER, &[])?;
        self.reader.read_timeout(PATIENCE)?;
        Ok(messages as f64 / start.elapsed().as_secs_f64())
    }

    pub(super) fn end(mut self) -> Outcome {
        self.writer.close()?;
        let status = self.child.wait().map_err(Stop::io("the other process"))?;
        self.reader.close()?;
        match status.success() {
            true => Ok(()),
            false => Err(lost("has failed")),
        }
    }
}

/// The other side: reads all, and sends back what asks for it.
pub(super) fn echo(name: &str) -> Outcome {
    let mut writer = KrenWriter::options()
        .fresh(true)
        .create(&format!("{name}.back"), CAPACITY)?;
    let mut reader = KrenReader::options()
        .timeout(PATIENCE)
        .connect(&format!("{name}.there"))?;
    loop {
        let message = match reader.read() {
            Err(Error::Closed { .. }) => break,
            message => message?,
        };
        // Each line of it is looked at, as by somebody who uses it.
        let sum = message
            .chunks(64)
            .fold(0_u64, |sum, line| sum + u64::from(line[0]));
        if message.tag() == ANSWER {
            writer.write(&message)?;
        }
        std::hint::black_box(sum);
    }
    Ok(writer.close()?)
}
