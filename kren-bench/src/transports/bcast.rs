//! bcast: a ring that its writer goes round without regard for readers, one each way, polled. Who is overtaken has lost
//! messages, so it takes part where one message waits for the other.

use bcast::{HEADER_SIZE, MappedReader, MappedWriter, MmapMutStorage, MmapStorage, StorageExt};
use std::path::PathBuf;

use super::ways::{Receives, Sends, Ways, poll};
use super::{Entry, LOSSY, TABLE_SIZES, memory_directory, patiently};
use crate::Result;
use crate::link::Setup;
use crate::payload;

struct Out {
    writer: MappedWriter,
    size: usize,
}

struct In {
    reader: MappedReader,
    buffer: Vec<u8>,
    crowded: bool,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "bcast",
        how: "bcast 1.0-rc.7: publish built in place, receive_next into a buffer; lossy, polled",
        tests: LOSSY,
        sizes: TABLE_SIZES,
        listed: true,
        open: |setup| {
            let (there, back) = setup.ways();
            Ok(Box::new(Ways {
                there: Out::open(setup, there)?,
                back: In::open(setup, back)?,
                carried: Some(setup.size),
            }))
        },
    }
}

fn path(name: String) -> PathBuf {
    memory_directory().join(name)
}

impl Out {
    fn open(setup: &Setup, name: String) -> Result<Self> {
        // Four of the longest at least, as one may take half of the ring with what is claimed ahead.
        let capacity = setup.capacity.max(4 * setup.size).next_power_of_two();
        let storage = MmapMutStorage::new(path(name), HEADER_SIZE + capacity)?;
        Ok(Self {
            writer: storage.into_writer(),
            size: setup.size,
        })
    }
}

impl In {
    fn open(setup: &Setup, name: String) -> Result<Self> {
        let path = path(name);
        let storage = patiently(|| MmapStorage::attach(&path))?;
        Ok(Self {
            reader: storage.into_reader_at(0),
            buffer: vec![0; setup.size],
            crowded: setup.crowded,
        })
    }
}

impl Sends for Out {
    #[inline]
    fn send(&mut self, number: u64) {
        self.writer
            .publish(self.size, true, |room| payload::build(room, number));
    }
}

impl Receives for In {
    #[inline]
    fn receive(&mut self) -> u64 {
        poll(self.crowded, || {
            let message = self.reader.receive_next(&mut self.buffer)?;
            Some(payload::read(
                message.expect("it was not overtaken").payload,
            ))
        })
    }
}
