//! The way back to one client: what it has no room for is kept, and what it gave up is known.

use super::by_number::Numbers;
use super::envelope::Envelope;
use crate::inbox::SenderId;
use crate::{Error, KrenWriter, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of answers kept for a client that does not read them, beyond what its channel holds.
const BACKLOG: usize = 16 << 20;

/// What the server knows of answers that had no room, whichever client's.
#[derive(Default)]
pub(super) struct Behind {
    /// There are such.
    pub(super) is_any: AtomicBool,
    /// One has come since the server tried to hand them over.
    pub(super) is_news: AtomicBool,
}

/// The way back to one client.
pub(super) struct WayBack {
    pub(super) channel: Arc<str>,
    pub(super) client: SenderId,
    pub(super) out: Mutex<Out>,
    /// Calls that the client has given up and that are not answered yet.
    pub(super) cancelled: Mutex<Numbers>,
    /// Whether there may be such, for those who pass by often.
    pub(super) has_cancelled: AtomicBool,
    /// Something is kept that had no room, and the same of any client.
    pub(super) is_behind: AtomicBool,
    pub(super) behind: Arc<Behind>,
    /// The client is gone, and nobody else comes for its answers.
    pub(super) is_over: AtomicBool,
}

impl Drop for WayBack {
    fn drop(&mut self) {
        let out = self.out.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.is_over.load(Ordering::Relaxed)
            && let Some(writer) = out.writer.take()
        {
            // Else its name would stand for ever.
            let _ = writer.close_discarding();
        }
    }
}

pub(super) struct Out {
    /// `None` once it is closed.
    pub(super) writer: Option<KrenWriter>,
    pub(super) kept: VecDeque<Kept>,
    pub(super) kept_bytes: usize,
}

/// An answer that had no room.
pub(super) struct Kept {
    pub(super) tag: u32,
    pub(super) bytes: Vec<u8>,
}

impl WayBack {
    pub(super) fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cancelled(&self) -> MutexGuard<'_, Numbers> {
        self.cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: a call that no request at work belongs to.
    pub(super) fn cancel(&self, call: Option<u64>) {
        let mut cancelled = self.cancelled();
        match call {
            Some(call) => drop(cancelled.insert(call)),
            // All that were cancelled are answered.
            None => cancelled.clear(),
        }
        self.has_cancelled
            .store(!cancelled.is_empty(), Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self, call: u64) -> bool {
        // Relaxed: whoever asks has heard of it or has not; the lock brings along what there is to hear.
        self.has_cancelled.load(Ordering::Relaxed) && self.cancelled().contains(&call)
    }

    /// The same, and it is answered then.
    pub(super) fn take_cancelled(&self, call: u64) -> bool {
        if !self.has_cancelled.load(Ordering::Relaxed) {
            return false;
        }
        let mut cancelled = self.cancelled();
        let was_cancelled = cancelled.remove(&call);
        self.has_cancelled
            .store(!cancelled.is_empty(), Ordering::Relaxed);
        was_cancelled
    }

    /// Answers. Where the client keeps up, which is the rule, there is room at once.
    #[inline]
    pub(super) fn send(&self, envelope: Envelope, tag: u32, body: &[u8]) -> Result<()> {
        let mut out = self.out();
        if out.kept.is_empty()
            && let Some(writer) = &mut out.writer
            && envelope.send(writer, "", tag, body).is_ok()
        {
            return Ok(());
        }
        self.send_or_keep(&mut out, envelope, tag, body)
    }

    #[cold]
    pub(super) fn send_or_keep(
        &self,
        out: &mut Out,
        envelope: Envelope,
        tag: u32,
        body: &[u8],
    ) -> Result<()> {
        out.flush(&self.is_behind);
        let Out {
            writer: Some(writer),
            kept,
            kept_bytes,
        } = out
        else {
            return Ok(());
        };
        let front = Envelope::len(writer.alignment());
        let len = front + body.len();
        let max = writer.max_message_len();
        if len > max {
            return Err(Error::TooLarge {
                channel: Arc::clone(&self.channel),
                len: body.len(),
                max: max - front,
            });
        }
        if kept.is_empty() {
            match envelope.send(writer, "", tag, body) {
                Err(Error::Full { .. }) => {}
                sent => return sent,
            }
        }
        if *kept_bytes + len > BACKLOG {
            return Err(Error::Full {
                channel: Arc::clone(&self.channel),
                needed: body.len(),
                available: 0,
            });
        }
        let mut bytes = vec![0; len];
        envelope.store(&mut bytes);
        bytes[front..].copy_from_slice(body);
        *kept_bytes += len;
        kept.push_back(Kept { tag, bytes });
        self.is_behind.store(true, Ordering::Relaxed);
        // Relaxed: whoever sees it looks at what follows.
        self.behind.is_news.store(true, Ordering::Relaxed);
        // Release: pairs with the Acquire swap in `flush_all`, which then finds this one.
        self.behind.is_any.store(true, Ordering::Release);
        Ok(())
    }
}

impl Out {
    /// Hands over what was kept, as far as there is room.
    pub(super) fn flush(&mut self, is_behind: &AtomicBool) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        while let Some(kept) = self.kept.front() {
            match writer.try_write_tagged(kept.tag, &kept.bytes) {
                Ok(()) => {
                    self.kept_bytes -= kept.bytes.len();
                    self.kept.pop_front();
                }
                Err(_) => return,
            }
        }
        is_behind.store(false, Ordering::Relaxed);
    }
}
