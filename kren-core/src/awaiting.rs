//! Futures over the thread that waits for all: of no runtime in particular.

use crate::{Background, Interest, Result, Waiter, Watching};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Calls in a row that find what they want at once before one lets others run. A reader that always has a message would
/// otherwise keep its runtime's thread to itself.
const TURNS: u8 = 128;

/// What an end keeps that is awaited.
#[derive(Default)]
pub(crate) struct Awaiting {
    /// From the first wait on, so that the thread is not started anew for each.
    background: Option<Background>,
    turns: u8,
}

impl Awaiting {
    fn background(&mut self, channel: &str) -> Result<Background> {
        if let Some(background) = &self.background {
            return Ok(background.clone());
        }
        let background = Background::new(channel)?;
        self.background = Some(background.clone());
        Ok(background)
    }

    /// Waits for what `waiter` waits for. Nothing happens before the first poll.
    pub(crate) fn until(&mut self, waiter: Waiter) -> Result<Until> {
        let background = self.background(waiter.channel())?;
        Ok(self.wait_for(background, Awaited::Waiter(waiter), None))
    }

    /// Waits for an event that a selector would give, or for this time, if that is shorter.
    pub(crate) fn until_event(
        &mut self,
        interest: Interest,
        within: Option<Duration>,
    ) -> Result<Until> {
        let background = self.background(interest.channel())?;
        Ok(self.wait_for(background, Awaited::Interest(interest), within))
    }

    fn wait_for(
        &mut self,
        background: Background,
        awaited: Awaited,
        within: Option<Duration>,
    ) -> Until {
        self.turns = 0;
        Until {
            background,
            awaited: Some(awaited),
            within,
            watching: [None, None],
            told: Told::default(),
        }
    }

    /// Waits for a while, for the sake of this channel.
    pub(crate) fn pause(&mut self, channel: &str, time: Duration) -> Result<Pause> {
        Ok(Pause {
            background: self.background(channel)?,
            until: Instant::now() + time,
            watching: None,
            told: Told::default(),
        })
    }

    /// To be awaited at the start of a call that may find at once what it wants.
    pub(crate) fn take_turns(&mut self) -> Turn {
        self.turns += 1;
        let is_over = self.turns >= TURNS;
        if is_over {
            self.turns = 0;
        }
        Turn(is_over)
    }
}

/// What the thread has told, and whom to wake.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<News>>);

#[derive(Default)]
struct News {
    outcome: Option<Result<()>>,
    waker: Option<Waker>,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, outcome: Result<()>) {
        let mut news = self.lock();
        news.outcome = Some(outcome);
        let waker = news.waker.take();
        // Who is woken may look at once.
        drop(news);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Result<()>> {
        let mut news = self.lock();
        match news.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                news.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// What is waited for.
enum Awaited {
    Waiter(Waiter),
    Interest(Interest),
}

/// Until a waiter would have returned, with what it would have, or there is an event. Calls the wait off when dropped.
pub(crate) struct Until {
    background: Background,
    /// `None` from the first poll on.
    awaited: Option<Awaited>,
    within: Option<Duration>,
    /// The end, and the clock.
    watching: [Option<Watching>; 2],
    told: Told,
}

impl Future for Until {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(awaited) = self.awaited.take() {
            let told = self.told.clone();
            let begun = match awaited {
                Awaited::Waiter(waiter) => {
                    let tell = move |outcome| told.tell(outcome);
                    self.background.watch(waiter, tell)
                }
                Awaited::Interest(interest) => {
                    let tell = move || told.tell(Ok(()));
                    self.background.watch_for(interest, tell)
                }
            };
            match begun {
                Ok(Some(watching)) => self.watching[0] = Some(watching),
                Ok(None) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
            if let Some(within) = self.within {
                let told = self.told.clone();
                let at = Instant::now() + within;
                let clock = self.background.at(at, move || told.tell(Ok(())));
                self.watching[1] = Some(clock);
            }
        }
        self.told.poll(context)
    }
}

/// Until a moment has come.
pub(crate) struct Pause {
    background: Background,
    until: Instant,
    watching: Option<Watching>,
    told: Told,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.watching.is_none() {
            let told = self.told.clone();
            let watching = self.background.at(self.until, move || told.tell(Ok(())));
            self.watching = Some(watching);
        }
        self.told.poll(context).map(drop)
    }
}

/// Lets others run, once, if it says so.
pub(crate) struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.0) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
