//! Tachyon: a bus each way, messages built and read in place, spinning.
#![allow(unsafe_code)]

use tachyon_ipc::{Bus, RpcBus, TachyonError};

use super::{BUSY, Entry, TABLE_SIZES, patiently};
use crate::Result;
use crate::link::{Ends, Setup, Side};
use crate::payload::{self, Numbers, Payload};

/// Messages that are published, and taken, together where there are many.
const BATCH: usize = 64;
/// Messages that the ring must hold: the reader gives room back for 32 at a time, and both sides wait for
/// ever if fewer fit.
const DEPTH: usize = 64;
/// The reader spins this often before it would sleep.
const SPINS: u32 = u32::MAX;

struct Tachyon {
    there: Bus,
    back: Bus,
    size: usize,
}

pub(super) fn entries() -> [Entry; 2] {
    let two_ways = Entry {
        name: "tachyon",
        how: "tachyon-ipc 0.5: acquire_tx, fill, commit; acquire_rx; in streams flushed and drained by 64",
        tests: BUSY,
        sizes: TABLE_SIZES,
        listed: true,
        open: |setup| Ok(Box::new(Tachyon::open(setup)?)),
    };
    let how = "tachyon-ipc 0.5: RpcBus, call and wait, serve and reply, polling";
    [
        two_ways,
        Entry::unlisted("tachyon-call", how, |setup| Ok(Box::new(Rpc::open(setup)?))),
    ]
}

/// Calls of one side, answers of the other. The request goes out in `receive`, as in `call.rs`.
struct Rpc {
    bus: RpcBus,
    side: Side,
    payload: Payload,
    /// The number of the next request, or the call that is to be answered.
    next: u64,
    size: usize,
}

impl Rpc {
    fn open(setup: &Setup) -> Result<Self> {
        let path = std::env::temp_dir().join(&setup.session);
        let path = path.to_string_lossy();
        let capacity = setup.capacity.max(setup.size * DEPTH).next_power_of_two();
        let bus = match setup.side {
            Side::Lead => patiently(|| RpcBus::connect(&path)),
            Side::Follow => RpcBus::listen(&path, capacity, capacity),
        };
        let bus = bus.map_err(|error| format!("{error:?}"))?;
        bus.set_polling_mode(true);
        Ok(Self {
            bus,
            side: setup.side,
            payload: Payload::new(setup.size),
            next: 0,
            size: setup.size,
        })
    }
}

const LIVES: &str = "the other side lives";

impl Ends for Rpc {
    #[inline]
    fn send(&mut self, number: u64) {
        match self.side {
            Side::Lead => self.next = number,
            Side::Follow => {
                let answer = self.payload.numbered(number);
                self.bus.reply(self.next, answer, 2).expect(LIVES);
            }
        }
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        let message = match self.side {
            Side::Lead => {
                let call = self.bus.call(self.payload.numbered(self.next), 1);
                self.bus.wait(call.expect(LIVES), SPINS).expect(LIVES)
            }
            Side::Follow => self.bus.serve(SPINS).expect(LIVES),
        };
        let sum = payload::read(message.data());
        if self.side == Side::Follow {
            self.next = message.correlation_id;
        }
        message.commit().expect(LIVES);
        sum
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}

impl Tachyon {
    fn open(setup: &Setup) -> Result<Self> {
        let (there, back) = setup.ways();
        let [there, back] = [there, back].map(|way| {
            std::env::temp_dir()
                .join(way)
                .to_string_lossy()
                .into_owned()
        });
        let capacity = setup.capacity.max(setup.size * DEPTH).next_power_of_two();
        let listen = || Bus::listen(&back, capacity).map_err(|error| format!("{error:?}"));
        let connect = || patiently(|| Bus::connect(&there)).map_err(|error| format!("{error:?}"));
        // Whoever reads listens, and listening waits for whoever writes.
        let (there, back) = match setup.side {
            Side::Lead => {
                let back = listen()?;
                (connect()?, back)
            }
            Side::Follow => {
                let there = connect()?;
                (there, listen()?)
            }
        };
        // The writer need not look whether the reader sleeps: it never does.
        back.set_polling_mode(1);
        Ok(Self {
            there,
            back,
            size: setup.size,
        })
    }

    #[inline]
    fn put(&self, number: u64, flushed: bool) {
        let mut slot = loop {
            match self.there.acquire_tx(self.size) {
                Ok(slot) => break slot,
                Err(TachyonError::BufferFull) => {
                    // What is not flushed cannot be read, and makes no room.
                    self.there.flush();
                    std::hint::spin_loop();
                }
                Err(error) => panic!("{error:?}"),
            }
        };
        // SAFETY: the slot is this side's alone until it is committed, and has `size` bytes.
        payload::build(&mut unsafe { slot.as_mut_slice() }[..self.size], number);
        let committed = match flushed {
            true => slot.commit(self.size, 0),
            false => slot.commit_unflushed(self.size, 0),
        };
        committed.expect("the other side lives");
    }
}

impl Ends for Tachyon {
    #[inline]
    fn send(&mut self, number: u64) {
        self.put(number, true);
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        let message = self.back.acquire_rx(SPINS).expect("the other side lives");
        let sum = payload::read(message.data());
        message.commit().expect("the other side lives");
        sum
    }

    fn send_many<N: Numbers>(&mut self, count: u64) {
        for index in 0..count {
            self.put(N::at(index), index % BATCH as u64 == BATCH as u64 - 1);
        }
        self.there.flush();
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        let mut sum = 0u64;
        let mut left = count as usize;
        while left > 0 {
            let batch = self
                .back
                .drain_batch(left.min(BATCH), SPINS)
                .expect("the other side lives");
            for message in &batch {
                sum = sum.wrapping_add(payload::read(message.data()));
            }
            left -= batch.len();
            batch.commit().expect("the other side lives");
        }
        sum
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}
