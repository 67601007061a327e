//! KREN's inbox: there through it, by the first of many senders of which the others are idle; back through a channel.

use std::time::Duration;

use kren_core::{KrenInbox, KrenReader, KrenSender, KrenWriter, Strategy};

use super::Entry;
use super::kren::{Copied, In, Out, WRITES};
use super::ways::{Receives, Sends, Ways};
use crate::Result;
use crate::link::{Link, Setup, Side};
use crate::payload::{self, Payload};

struct Senders {
    all: Vec<KrenSender>,
    payload: Payload,
}

impl Sends for Senders {
    #[inline]
    fn send(&mut self, number: u64) {
        let message = self.payload.numbered(number);
        self.all[0].write(message).expect(WRITES);
    }
}

struct Inbox(KrenInbox);

impl Receives for Inbox {
    #[inline]
    fn receive(&mut self) -> u64 {
        payload::read(&self.0.read().expect(WRITES))
    }
}

pub(super) fn entry() -> Entry {
    Entry::unlisted(
        "kren-inbox",
        "KrenSender to KrenInbox, back through a channel; spinning; of many senders one writes",
        open,
    )
}

fn open(setup: &Setup) -> Result<Box<dyn Link>> {
    let (there, back) = (
        format!("{}-in", setup.session),
        format!("{}-b", setup.session),
    );
    let carried = Some(setup.size);
    let strategy = Strategy::Spin;
    Ok(match setup.side {
        Side::Lead => {
            let options = KrenSender::options().strategy(strategy);
            let options = options.senders(setup.channels).capacity(setup.capacity);
            let join = |_| options.connect(&there);
            let all = (0..setup.channels)
                .map(join)
                .collect::<kren_core::Result<_>>()?;
            let options = KrenReader::options().strategy(strategy).prefault(true);
            let reader = options.timeout(Duration::from_secs(10)).connect(&back)?;
            Box::new(Ways {
                there: Senders {
                    all,
                    payload: Payload::new(setup.size),
                },
                back: In::<Copied>::new(reader),
                carried,
            })
        }
        Side::Follow => {
            let options = KrenInbox::options().strategy(strategy);
            let inbox = options
                .senders(setup.channels)
                .create(&there, setup.capacity)?;
            let options = KrenWriter::options().strategy(strategy).prefault(true);
            let writer = options.create(&back, setup.capacity)?;
            Box::new(Ways {
                there: Out::<Copied>::new(writer, setup.size),
                back: Inbox(inbox),
                carried,
            })
        }
    })
}
