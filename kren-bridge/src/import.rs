//! The importing side: learns what is exported, and commits what comes to mirrors here.

pub(crate) mod channel;
mod inbox;
mod service;
mod voice;

use crate::crew::Crew;
use crate::link::{Kind, Link};
use crate::mirror::OnGap;
use crate::pattern;
use crate::place::Place;
use crate::status::Board;
use crate::stop;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How often it is looked whether to stop.
const PAUSE: Duration = Duration::from_millis(200);
/// After which nobody found is worth a word.
const LONELY: Duration = Duration::from_secs(5);

/// What the importing side works with.
#[derive(Clone)]
pub struct Import {
    /// By which frames travel.
    pub link: Arc<Link>,
    /// Where it is noted how it goes.
    pub board: Arc<Board>,
    /// Names, and patterns.
    pub patterns: Arc<[String]>,
    /// What to do where messages are missing.
    pub on_gap: OnGap,
}

impl Import {
    /// Carries what is exported, until it is told to stop.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn run(&self) -> Result<(), String> {
        let (tell, told) = mpsc::channel();
        let watch = |kind| {
            let tell = tell.clone();
            self.link.watch("*", kind, move |name, is_there| {
                // Nobody listens any more at the end.
                let _ = tell.send((kind, name.to_owned(), is_there));
            })
        };
        let _watches = [
            watch(Kind::Stream)?,
            watch(Kind::Inbox)?,
            watch(Kind::Service)?,
        ];
        let mut streams = Crew::default();
        let (mut inboxes, mut services) = (Crew::default(), Crew::default());
        let started = Instant::now();
        let mut is_lonely = true;
        let mut has_said = false;
        while !stop::is_asked() {
            if let Ok((kind, name, is_there)) = told.recv_timeout(PAUSE) {
                let is_wanted = self
                    .patterns
                    .iter()
                    .any(|pattern| pattern::matches(pattern, &name));
                if !is_wanted || !pattern::is_name(&name) {
                    continue;
                }
                is_lonely = false;
                match kind {
                    Kind::Stream => streams.told(&name, is_there),
                    Kind::Inbox => inboxes.told(&name, is_there),
                    Kind::Service => services.told(&name, is_there),
                }
            }
            streams.tend(|name, is_there| {
                channel::start(self.clone(), Place::of_channel(name), is_there)
            });
            inboxes.tend(|name, _| inbox::start(self.clone(), name.to_owned()));
            services.tend(|name, is_there| service::start(self.clone(), name.to_owned(), is_there));
            if is_lonely && !has_said && started.elapsed() >= LONELY {
                has_said = true;
                self.say_who_is_there();
            }
        }
        streams.join();
        inboxes.join();
        services.join();
        Ok(())
    }

    /// Nothing that is wanted was found: a wrong name, a wrong realm, or nobody at all.
    fn say_who_is_there(&self) {
        let wanted = self.patterns.join(", ");
        let realm = self.link.realm();
        let others: Vec<_> = self
            .link
            .realms()
            .into_iter()
            .filter(|other| other != realm)
            .collect();
        if self.link.peers() == 0 {
            tracing::warn!("no other bridge has been reached yet; it is tried again until one is");
        } else if others.is_empty() {
            tracing::warn!(
                "nothing that is called {wanted} is exported in the realm '{realm}' yet; it is waited for"
            );
        } else {
            tracing::warn!(
                "nothing that is called {wanted} is exported in the realm '{realm}', but there is something in: {}. Is --realm the same on both sides?",
                others.join(", ")
            );
        }
    }
}
