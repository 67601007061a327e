//! Whose positions hold a publisher up, and how a subscriber comes to be one of them: `docs/spec/broadcast.md`, B1 to B6.
//!
//! A gate is the position of a subscriber that the publisher may not pass by more than the capacity. The publisher
//! looks at all of them only when a record would end beyond what the last look allowed, so a subscriber that joins must
//! find out whether the publisher may still go by a look that did not see it.

use crate::layout::{RolePage, STANCE_DURABLE, STANCE_GATING, STANCE_LOSSY, STATE_OPEN, Seat};
use crate::ring::Shape;
use crate::sync::{Ordering, fence};

/// The pages of a segment's seats.
pub(crate) trait Pages {
    /// The page of a seat that exists.
    fn page(&self, seat: Seat) -> &RolePage;

    /// How many seats there are beside the writer's.
    fn readers(&self) -> usize;
}

/// Every seat beside the writer's.
pub(crate) fn seats(pages: &impl Pages) -> impl Iterator<Item = Seat> {
    (0..pages.readers()).map(Seat::reader)
}

/// The word in the writer's page that says which session at `seat` no longer counts.
fn void_of<P: Pages>(pages: &P, seat: Seat) -> &crate::sync::AtomicU32 {
    let index = seat.number() - 1;
    let blocks = &pages.page(Seat::WRITER).void;
    let words = blocks[0].0.len();
    &blocks[index / words].0[index % words]
}

/// Whether `session` at `seat` has been passed over for good (B5).
pub(crate) fn is_void(pages: &impl Pages, seat: Seat, session: u32) -> bool {
    // Acquire: pairs with the Release store in `pass_over`.
    void_of(pages, seat).load(Ordering::Acquire) == session
}

/// The session at `seat` does not hold the writer up any more, whose page the caller stores.
pub(crate) fn pass_over(pages: &impl Pages, seat: Seat, session: u32) {
    // Release: pairs with the Acquire load in `is_void`.
    void_of(pages, seat).store(session, Ordering::Release);
}

/// A subscriber that holds the writer up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) seat: Seat,
    /// Up to where it has released.
    pub(crate) position: u64,
    pub(crate) session: u32,
    /// Whether it does so also when it is gone.
    pub(crate) is_durable: bool,
}

/// The gate at `seat`, if there is one (B1).
fn gate_at(pages: &impl Pages, seat: Seat) -> Option<Gate> {
    let page = pages.page(seat);
    let presence = &page.presence.0;
    // Acquire: pairs with the Release store in `stand`; the position and the session belong to the stance.
    let stance = presence.stance.load(Ordering::Acquire);
    let session = presence.session.load(Ordering::Relaxed);
    let is_durable = stance == STANCE_DURABLE;
    let counts = is_durable
        || stance == STANCE_GATING
            && presence.state.load(Ordering::Relaxed) == STATE_OPEN
            && !is_void(pages, seat, session);
    counts.then(|| Gate {
        seat,
        // Acquire: pairs with the Release store in `ring::release`; the subscriber's loads of the bytes that become
        // free here happen before our stores into them (R8).
        position: page.progress.0.position.load(Ordering::Acquire),
        session,
        is_durable,
    })
}

/// The gates that count for a writer at `written`: those within a lap behind it. Others belong to subscribers that
/// joined too late, and find that out (B3), or are damaged.
pub(crate) fn gates<P: Pages>(
    pages: &P,
    written: u64,
    capacity: u64,
) -> impl Iterator<Item = Gate> + '_ {
    seats(pages)
        .filter_map(|seat| gate_at(pages, seat))
        .filter(move |gate| gate.position <= written && written - gate.position <= capacity)
}

/// The position of the slowest gate, or `written` if there is none.
pub(crate) fn slowest(pages: &impl Pages, written: u64, capacity: u64) -> u64 {
    gates(pages, written, capacity)
        .map(|gate| gate.position)
        .min()
        .unwrap_or(written)
}

/// A look at the gates that binds: up to the result, which is at least `end` where they allow that, records may go without
/// another look (B2).
///
/// It is no further than a quarter of a lap beyond `end` can be, so that three quarters of a lap stay for those who want
/// to start at an old message.
pub(crate) fn look(pages: &impl Pages, written: u64, end: u64, capacity: u64) -> u64 {
    let reach = &pages.page(Seat::WRITER).reach.0;
    // Relaxed: stored by this side.
    let limit = reach.limit.load(Ordering::Relaxed);
    let scan = reach.scan.load(Ordering::Relaxed);
    // Odd where a predecessor has died in the middle: whoever joins waits for the end of that look.
    let is_settled = scan.is_multiple_of(2);
    if is_settled && end <= limit && limit <= written + capacity {
        return limit;
    }
    reach.scan.store(scan | 1, Ordering::Relaxed);
    // Pairs with the fence in `stand`: either we see its gate, or it sees that we were looking.
    fence(Ordering::SeqCst);
    let slowest = slowest(pages, written, capacity);
    let limit = (slowest + capacity).min(end.max(written + capacity / 4));
    // Release: pairs with the Acquire load in `is_firm`; who sees this limit sees how far we have stored (R9).
    reach.limit.store(limit, Ordering::Release);
    // Release: pairs with the Acquire load in `is_firm`; the limit is that of this look.
    reach
        .scan
        .store((scan | 1).wrapping_add(1), Ordering::Release);
    limit
}

/// What a subscriber finds that has made itself a gate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It holds the writer up: nothing at or behind its position is overwritten.
    Firm,
    /// It came too late: the writer may go further than it allows.
    TooLate,
    /// The writer is just looking. Ask again.
    Unsettled,
}

/// Makes the caller, at `seat`, a gate at `position` with `count` messages before it.
pub(crate) fn stand(pages: &impl Pages, seat: Seat, stance: u32, position: u64, count: u64) {
    let page = pages.page(seat);
    page.progress.0.position.store(position, Ordering::Relaxed);
    page.progress.0.count.store(count, Ordering::Relaxed);
    // Release: pairs with the Acquire load in `gate_at`.
    page.presence.0.stance.store(stance, Ordering::Release);
    // Pairs with the fence in `look`.
    fence(Ordering::SeqCst);
}

/// Whether the gate that `stand` has made at `position` holds (B3).
fn is_firm(pages: &impl Pages, position: u64, shape: &Shape) -> Stand {
    let reach = &pages.page(Seat::WRITER).reach.0;
    // Acquire: pairs with the Release store in `look`.
    if reach.scan.load(Ordering::Acquire) % 2 == 1 {
        return Stand::Unsettled;
    }
    match is_in_time(pages, position, shape) {
        true => Stand::Firm,
        false => Stand::TooLate,
    }
}

/// Whether no record that starts at or behind `position` may have been overwritten, nor may be by what the last look allowed.
fn is_in_time(pages: &impl Pages, position: u64, shape: &Shape) -> bool {
    let reach = &pages.page(Seat::WRITER).reach.0;
    // Acquire: pairs with the Release store in `look`; it may be that of a later look than `scan` told of.
    let limit = reach.limit.load(Ordering::Acquire);
    // What is marked may have been touched already, by a record that was given up (R9).
    let frontier = reach.frontier.load(Ordering::Relaxed);
    limit <= position.saturating_add(shape.capacity)
        && frontier <= position.saturating_add(shape.data_len as u64)
}

/// Takes a place at `position` for the caller, at `seat`, and tells whether that came in time (B3).
///
/// `is_forsaken` is asked while the publisher looks at its gates: whether it has died at that. Then it has not gone by what
/// it was about to find, and its successor looks anew.
pub(crate) fn take_place<E>(
    pages: &impl Pages,
    seat: Seat,
    stance: u32,
    position: u64,
    shape: &Shape,
    mut is_forsaken: impl FnMut() -> Result<bool, E>,
) -> Result<bool, E> {
    if stance == STANCE_LOSSY {
        stand(pages, seat, stance, position, 0);
        return Ok(true);
    }
    // Durable only when it is firm: a death before leaves no place that might be overwritten (B6).
    let first = (stance == STANCE_DURABLE).then_some(STANCE_GATING);
    for stance in first.into_iter().chain([stance]) {
        stand(pages, seat, stance, position, 0);
        let is_firm = loop {
            match is_firm(pages, position, shape) {
                Stand::Unsettled if !is_forsaken()? => {}
                Stand::Unsettled => break is_in_time(pages, position, shape),
                stand => break stand == Stand::Firm,
            }
        };
        if !is_firm {
            return Ok(false);
        }
    }
    Ok(true)
}
