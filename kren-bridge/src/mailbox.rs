//! Frames on their way from zenoh's threads to the thread that carries a channel.

use kren_core::Canceller;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use zenoh::bytes::ZBytes;

/// Where a channel's thread finds them.
pub struct Mailbox {
    frames: Receiver<ZBytes>,
    bell: Arc<Bell>,
}

/// Rung for a thread that sleeps on its ring.
#[derive(Default)]
struct Bell {
    is_asleep: AtomicBool,
    canceller: Mutex<Option<Canceller>>,
}

impl Mailbox {
    /// An empty one, and how it is filled.
    pub fn new() -> (Self, impl Fn(ZBytes) + Send + Sync + 'static) {
        let (sender, frames): (Sender<ZBytes>, _) = mpsc::channel();
        let bell = Arc::new(Bell::default());
        let rung = Arc::clone(&bell);
        let put = move |frame| {
            // Nobody listens any more when the channel is done.
            let _ = sender.send(frame);
            // SeqCst: pairs with the store in `sleep`. Either this sees that it sleeps, or that sees the frame.
            if rung.is_asleep.load(Ordering::SeqCst)
                && let Some(canceller) = &*rung
                    .canceller
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
            {
                canceller.cancel();
            }
        };
        (Self { frames, bell }, put)
    }

    /// With what a sleep that is not its own is ended when a frame comes.
    pub fn ring(&self, canceller: Canceller) {
        *self
            .bell
            .canceller
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(canceller);
    }

    /// The frames.
    #[must_use]
    pub fn frames(&self) -> &Receiver<ZBytes> {
        &self.frames
    }

    /// Does `sleep` unless there is a frame, which it returns. A frame that comes ends the sleep.
    pub fn sleep(&self, sleep: impl FnOnce()) -> Option<ZBytes> {
        self.bell.is_asleep.store(true, Ordering::SeqCst);
        let found = self.frames.try_recv().ok();
        if found.is_none() {
            sleep();
        }
        self.bell.is_asleep.store(false, Ordering::SeqCst);
        found
    }
}
