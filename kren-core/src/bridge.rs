//! What `kren-bridge` needs of inboxes and services beside what everybody has: the lanes of an inbox, each by itself, a lane that goes on where
//! its predecessor left off, and to say for whom an owner stands. `docs/spec/registry.md`, I7 and I8.

use crate::inbox::{SenderId, number};
use crate::layout::{Kind, Origin};
use crate::registry::{Member, Plan, Registry};
pub use crate::segment::Left;
use crate::segment::{self, Access, PeerState, Way};
use crate::sender::SenderOptions;
use crate::service::ServerOptions;
use crate::wait::SLICE;
use crate::{Error, Interest, KrenReader, KrenSender, Result};
use std::time::{Duration, Instant};

impl SenderOptions {
    /// Joins the inbox with a lane that is the mirror of one on another machine. `name` (at most 64 bytes) and `hash` are those of the
    /// realm and the machine, `instance` that of the lane there. Where a lane of the same origin stands, this one takes its seat and its
    /// place. `decide` gets what that one holds, and says which message is the first here; an error of its is this call's.
    ///
    /// # Errors
    ///
    /// As [`SenderOptions::connect`]; [`Error::WriterExists`] while somebody else has such a lane; whatever `decide` returns.
    pub fn connect_mirror(
        &self,
        inbox: &str,
        (name, hash, instance): (&str, u64, u64),
        decide: &mut dyn FnMut(Option<Left>) -> Result<u64>,
    ) -> Result<KrenSender> {
        let mut options = self.clone();
        options.plan.origin = Some(Origin {
            instance,
            hash,
            name: name.to_owned(),
            first: 0,
        });
        let registry = Registry::join_again(inbox, &mut options.plan, decide)?;
        options.begin(registry)
    }
}

/// Where the bridges of this user say how they fare, unless they are told otherwise (`docs/spec/bridge.md`, *Status*): known here since the
/// bridge, which says it, and `kren`, which reads it, share nothing else.
#[cfg(target_os = "linux")]
#[must_use]
pub fn status_folder() -> std::path::PathBuf {
    const NAME: &str = "kren-bridge";
    if let Some(folder) = std::env::var_os("KREN_BRIDGE_STATE") {
        return folder.into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => std::path::Path::new(&folder).join(NAME),
        // SAFETY: it cannot fail and touches nothing.
        #[allow(unsafe_code)]
        None => format!("/tmp/{NAME}-{}", unsafe { libc::geteuid() }).into(),
    }
}

impl ServerOptions {
    /// For whom the server stands, which is not 0: a bridge for the machine that the service is on.
    #[must_use]
    pub fn stands_for(mut self, identity: u64) -> Self {
        self.plan.identity = identity;
        self
    }
}

/// Removes a lane that nobody goes on from any more, once it is empty and nobody is on it; its inbox's name too, if nothing else keeps
/// that. Tells whether the lane is gone.
#[must_use]
pub fn remove_lane(inbox: &str, lane: &str) -> bool {
    segment::remove_lane(&inbox.into(), &lane.into(), Access::default())
}

/// The owner's seat of an inbox that stands for one on another machine. Its lanes are read one by one.
pub struct Stand {
    registry: Registry,
    /// The session at each seat whose lane was handed out.
    known: Vec<u32>,
    /// When something was looked at last of which nobody tells: a lane that its maker is not on yet, or that somebody else has.
    unclear: Option<Instant>,
}

/// A lane that has come.
pub struct Arrival {
    /// Whose it is.
    pub sender: SenderId,
    /// The name of its segment.
    pub lane: String,
    /// Its reader.
    pub reader: KrenReader,
}

impl Stand {
    /// Takes the seat, in a registry with so many seats for senders if it has to be made. `identity`, which is not 0, says for whom it stands.
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::create`](crate::KrenInbox::create).
    pub fn create(
        name: &str,
        capacity: usize,
        alignment: usize,
        senders: usize,
        identity: u64,
    ) -> Result<Self> {
        let plan = Plan {
            lane: capacity,
            alignment,
            members: senders,
            identity,
            ..Plan::new(Kind::Inbox)
        };
        let registry = Registry::own(name, &plan, &mut || Ok(()))?;
        // So that the first look is not passed over.
        registry.look_again();
        Ok(Self {
            known: vec![0; registry.endpoint().mapping().geometry().seats()],
            registry,
            unclear: None,
        })
    }

    /// The lanes that have come since the last call, and why one that has come cannot be read, which is said once. To be called now and
    /// then in any case: not everything is told.
    pub fn arrivals(&mut self) -> Vec<Result<Arrival>> {
        let mut arrivals = vec![];
        let is_due = self.unclear.is_some_and(|looked| looked.elapsed() >= SLICE);
        if !self.registry.has_changed() && !is_due {
            return arrivals;
        }
        self.registry.look_over();
        let mut is_unclear = false;
        let members: Vec<Member> = self.registry.members().collect();
        for member in members {
            let known = &mut self.known[member.seat.number()];
            if *known == member.session {
                continue;
            }
            let found =
                self.registry
                    .lane_reader(member, Way::Forth, Some(Duration::ZERO), &mut || Ok(()));
            let reader = match found {
                Ok(reader) => reader,
                Err(Error::NotFound { .. }) => continue,
                // By who takes the seat anew, for a moment.
                Err(Error::ReaderExists { .. }) => {
                    is_unclear = true;
                    continue;
                }
                Err(error) => {
                    *known = member.session;
                    arrivals.push(Err(error));
                    continue;
                }
            };
            if reader.writer_state() == PeerState::NeverAttached {
                // Its maker is about to come to it, or has died on the way; then it goes with this reader.
                is_unclear = true;
                continue;
            }
            *known = member.session;
            arrivals.push(Ok(Arrival {
                sender: SenderId {
                    number: number(member),
                    pid: self.registry.pid_of(member),
                },
                lane: self.registry.lane_name(member, Way::Forth),
                reader,
            }));
        }
        self.unclear = is_unclear.then(Instant::now);
        arrivals
    }

    /// The lane of this sender was given up unfinished: it comes again.
    pub fn give_up(&mut self, sender: SenderId) {
        let seat = (sender.number >> 32) as usize;
        if let Some(known) = self.known.get_mut(seat)
            && *known == sender.number as u32
        {
            *known = 0;
            self.registry.look_again();
        }
    }

    /// That there may be arrivals, for a selector.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn changes(&self) -> Result<Interest> {
        self.registry.changes()
    }

    /// Whether the name does not lead to it any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.registry.is_removed()
    }
}
