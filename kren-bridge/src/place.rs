//! Where what comes in goes: a mirror under the source's name, or a lane of an inbox here.

use crate::lane::Lane;
use crate::mirror::{self, Mirror, OnGap, Opened};
use crate::wire::Offer;
use kren_core::Result;

/// Where to.
#[derive(Clone)]
pub struct Place {
    /// What frames of it are sent under.
    pub key: String,
    /// What people call it.
    pub name: String,
    lane: Option<Lane>,
}

impl Place {
    /// The mirror of the channel of this name.
    #[must_use]
    pub fn of_channel(name: &str) -> Self {
        Self {
            key: name.to_owned(),
            name: name.to_owned(),
            lane: None,
        }
    }

    /// The lane that mirrors what comes under this key.
    #[must_use]
    pub fn of_lane(key: &str, lane: Lane) -> Self {
        Self {
            key: key.to_owned(),
            name: lane.name(),
            lane: Some(lane),
        }
    }

    /// What is said of what it is, if that is not the offer's.
    #[must_use]
    pub fn kind(&self, offer: &Offer) -> &'static str {
        match self.lane {
            Some(_) => "lane",
            None if offer.kind == mirror::BROADCAST => "broadcast",
            None => "channel",
        }
    }

    /// Takes what is offered, as far as can be.
    ///
    /// # Errors
    ///
    /// As [`kren_core::KrenWriter::create`] and [`kren_core::KrenSender::connect`].
    pub fn open(&self, realm: &str, offer: &Offer, on_gap: OnGap) -> Result<Opened> {
        match &self.lane {
            Some(lane) => lane.open(realm, offer, on_gap),
            None => Mirror::open(&self.name, realm, offer, on_gap),
        }
    }

    /// Whether what comes here is gone for good once its source says that it is, `to` this side alone or to all; given what is known to have
    /// ended here.
    #[must_use]
    pub fn is_gone(&self, to_this_side: bool, ended: Option<u64>) -> bool {
        match self.lane {
            // An answer: nothing that was said before, and comes late.
            Some(_) => to_this_side,
            None => ended.is_some(),
        }
    }

    /// Whether somebody answers who asks for it when it is gone.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.lane.is_some()
    }

    /// Removes what nobody goes on with; tells whether nothing is left to do.
    #[must_use]
    pub fn clear_away(&self, ended: Option<u64>) -> bool {
        match &self.lane {
            Some(lane) => lane.clear_away(),
            None => mirror::clear_away(&self.name, ended),
        }
    }

    /// Whether there is nowhere to go any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lane.as_ref().is_some_and(Lane::is_over)
    }
}
