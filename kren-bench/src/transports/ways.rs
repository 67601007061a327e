//! A transport in halves: what sends and what receives. Two halves of each process make a way there and one back; one
//! half each, a way from the leading side to all others.

use crate::Result;
use crate::link::{Ends, Setup, Side};
use crate::payload::Numbers;

/// What goes out: as in [`Ends`].
pub(super) trait Sends {
    fn send(&mut self, number: u64);

    fn send_many<N: Numbers>(&mut self, count: u64) {
        for index in 0..count {
            self.send(N::at(index));
        }
    }
}

/// What comes in: as in [`Ends`].
pub(super) trait Receives {
    fn receive(&mut self) -> u64;

    fn receive_many(&mut self, count: u64) -> u64 {
        (0..count).fold(0, |sum, _| sum.wrapping_add(self.receive()))
    }
}

/// A way there and a way back; `carried` is that of [`Ends::carried`].
pub(super) struct Ways<S, R> {
    pub(super) there: S,
    pub(super) back: R,
    pub(super) carried: Option<usize>,
}

impl<S: Sends, R: Receives> Ends for Ways<S, R> {
    #[inline]
    fn send(&mut self, number: u64) {
        self.there.send(number);
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        self.back.receive()
    }

    fn send_many<N: Numbers>(&mut self, count: u64) {
        self.there.send_many::<N>(count);
    }

    fn receive_many(&mut self, count: u64) -> u64 {
        self.back.receive_many(count)
    }

    fn carried(&self) -> Option<usize> {
        self.carried
    }
}

/// A half that this side does not have.
pub(super) struct Absent;

impl Sends for Absent {
    fn send(&mut self, _number: u64) {
        unreachable!("only the leading side sends");
    }
}

impl Receives for Absent {
    fn receive(&mut self) -> u64 {
        unreachable!("only the other sides receive");
    }
}

/// The half of this side in a transport that goes from the leading side to all others.
pub(super) fn one_way<S: Sends + 'static, R: Receives + 'static>(
    setup: &Setup,
    there: impl FnOnce() -> Result<S>,
    back: impl FnOnce() -> Result<R>,
) -> Result<Box<dyn crate::link::Link>> {
    let carried = Some(setup.size);
    Ok(match setup.side {
        Side::Lead => Box::new(Ways {
            there: there()?,
            back: Absent,
            carried,
        }),
        Side::Follow => Box::new(Ways {
            there: Absent,
            back: back()?,
            carried,
        }),
    })
}

/// Polls until `attempt` gives something. Where processes share a processor, others run meanwhile.
#[cfg(any(
    feature = "aeron",
    feature = "bcast",
    feature = "crossbar",
    feature = "iceoryx2",
    feature = "ringfire"
))]
#[inline]
pub(super) fn poll<T>(crowded: bool, mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        if crowded {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}
