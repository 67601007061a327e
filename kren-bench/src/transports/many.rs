//! KREN's selector: many channels, of which each message takes another one, waited for in one call.

use std::time::Duration;

use kren_core::{KrenReader, KrenWriter, Selector};

use super::Entry;
use super::kren::WRITES;
use super::ways::{Receives, Sends, Ways};
use crate::Result;
use crate::link::{Link, Setup};
use crate::payload::{self, Payload};

/// From one channel to the next: far, so that nothing of it is in a cache, and to each in the end.
const STRIDE: usize = 379;

struct Writers {
    all: Vec<KrenWriter>,
    payload: Payload,
    at: usize,
}

impl Sends for Writers {
    fn send(&mut self, number: u64) {
        self.at = (self.at + STRIDE) % self.all.len();
        let message = self.payload.numbered(number);
        self.all[self.at].write(message).expect(WRITES);
    }
}

struct Selected {
    selector: Selector,
    readers: Vec<KrenReader>,
}

impl Receives for Selected {
    fn receive(&mut self) -> u64 {
        loop {
            // One message is on its way at a time.
            for event in self.selector.wait(None).expect(WRITES) {
                let reader = &mut self.readers[event.key as usize];
                if let Some(message) = reader.try_read().expect(WRITES) {
                    return payload::read(&message);
                }
            }
        }
    }
}

pub(super) fn entry() -> Entry {
    Entry::unlisted(
        "kren-selector",
        "write; Selector::wait over many channels and try_read; back the same",
        open,
    )
}

fn open(setup: &Setup) -> Result<Box<dyn Link>> {
    let (there, back) = setup.ways();
    let names = |way: &str| {
        (0..setup.channels)
            .map(|at| format!("{way}-{at}"))
            .collect::<Vec<_>>()
    };
    let create = |name: &String| KrenWriter::create(name, setup.capacity);
    let connect = |name: &String| {
        let options = KrenReader::options().timeout(Duration::from_secs(10));
        options.connect(name)
    };
    let writers = names(&there)
        .iter()
        .map(create)
        .collect::<kren_core::Result<Vec<_>>>()?;
    let readers = names(&back)
        .iter()
        .map(connect)
        .collect::<kren_core::Result<Vec<_>>>()?;
    let mut selector = Selector::new()?;
    for (key, reader) in readers.iter().enumerate() {
        selector.add(key as u64, reader.readable()?)?;
    }
    Ok(Box::new(Ways {
        there: Writers {
            all: writers,
            payload: Payload::new(setup.size),
            at: 0,
        },
        back: Selected { selector, readers },
        carried: Some(setup.size),
    }))
}
