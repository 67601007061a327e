//! Taking one of many seats, of which somebody who is only passing may hold all for a moment: a side that leaves looks
//! whether it is the last one, and nobody can come meanwhile (L8, I3).

use crate::layout::{STATE_OPEN, Seat, SegmentHeader};
use crate::os::{Failure, Mapping, Object};
use crate::{Error, Result};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long seats are tried again that are held by one of whom their page says that it is there: whoever dies leaves it so.
const TAKEN: Duration = super::LOCK_PATIENCE;
/// The same for seats at which nobody is, by their page. It takes microseconds; a busy machine may stop a process in between.
const PASSING: Duration = Duration::from_millis(250);

/// One who looks for a seat.
pub(super) struct Seating<'a> {
    name: &'a Arc<str>,
    object: &'a Object,
    pub(super) pages: Mapping,
    /// How long what was refused in this look is worth another one.
    patience: Cell<Duration>,
}

impl<'a> Seating<'a> {
    pub(super) fn new(
        name: &'a Arc<str>,
        object: &'a Object,
        header: &SegmentHeader,
    ) -> Result<Self> {
        let pages = object.map(header.geometry, None, false);
        Ok(Self {
            name,
            object,
            pages: pages.map_err(|failure| failure.into_error(name))?,
            patience: Cell::default(),
        })
    }

    /// Takes the seat that `choose` finds, looking again while a refusal may be a passing one.
    pub(super) fn take(
        self,
        mut choose: impl FnMut(&Self) -> Result<Option<Seat>>,
    ) -> Result<Option<Seat>> {
        let start = Instant::now();
        loop {
            self.patience.set(Duration::ZERO);
            let found = choose(&self)?;
            if found.is_some() || start.elapsed() >= self.patience.get() {
                return Ok(found);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes this seat's lock, if nobody has it.
    pub(super) fn try_hold(&self, seat: Seat) -> Result<bool> {
        let held = self.object.try_hold(seat);
        if held.map_err(|failure: Failure| failure.into_error(self.name))? {
            return Ok(true);
        }
        // Relaxed: a guess at how long this lasts.
        let state = self
            .pages
            .page(seat)
            .presence
            .0
            .state
            .load(Ordering::Relaxed);
        let patience = match state {
            STATE_OPEN => TAKEN,
            _ => PASSING,
        };
        self.patience.set(self.patience.get().max(patience));
        Ok(false)
    }

    pub(super) fn let_go(&self, seat: Seat) {
        self.object.let_go(seat);
    }

    /// What is said where every seat is taken.
    pub(super) fn full(name: &Arc<str>, header: &SegmentHeader) -> Error {
        Error::NoSeat {
            channel: Arc::clone(name),
            seats: header.geometry.readers,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::KrenInbox;
    use crate::gates;
    use crate::os::Place;

    /// L8: while one who leaves looks whether it is the last, it holds every seat; that is no reason to be refused.
    #[test]
    fn who_is_passing_is_waited_for() {
        let name: Arc<str> = format!("passing-{}", std::process::id()).into();
        let inbox = KrenInbox::create(&name, 4096).unwrap();
        let place = Place::new(&name, false);
        let [passing, coming] = [(); 2].map(|()| place.open(true).ok().flatten().unwrap());
        let header = super::super::read_header(&name, &coming).unwrap();
        let seating = Seating::new(&name, &coming, &header).unwrap();
        for seat in gates::seats(&seating.pages) {
            assert!(matches!(passing.try_hold(seat), Ok(true)));
        }
        let mut looks = 0;
        let taken = seating.take(|seating| {
            looks += 1;
            for seat in gates::seats(&seating.pages) {
                if seating.try_hold(seat)? {
                    return Ok(Some(seat));
                }
            }
            gates::seats(&seating.pages).for_each(|seat| passing.let_go(seat));
            Ok(None)
        });
        assert_eq!((taken.unwrap(), looks), (Some(Seat::READER), 2));
        coming.let_go(Seat::READER);
        drop(inbox);
    }
}
