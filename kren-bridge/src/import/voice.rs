//! What the importing side has to say of one name that it carries: to the people here, and to the other side.

use super::Import;
use crate::link::Speaker;
use crate::wire::{Body, Frame, Malformed};

pub(super) struct Voice {
    import: Import,
    name: String,
    speaker: Speaker,
    /// What people were told last.
    said: Option<String>,
}

impl Voice {
    /// For `name`, which the other side hears of by `speaker`.
    pub(super) fn new(import: &Import, name: &str, speaker: Speaker) -> Self {
        Self {
            import: import.clone(),
            name: name.to_owned(),
            speaker,
            said: None,
        }
    }

    pub(super) fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// All is well: the next trouble is news, whatever it is.
    pub(super) fn is_well(&mut self) {
        self.said = None;
    }

    /// Tells people of a trouble, unless it is what they were told last.
    pub(super) fn complain(&mut self, why: String) {
        if self.said.as_ref() != Some(&why) {
            tracing::error!("'{}': {why}", self.name);
            self.import
                .note(&self.name, |entry| entry.state.clone_from(&why));
            self.said = Some(why);
        }
    }

    /// Tells the people on the other side, as the receiver `id`.
    pub(super) fn refuse(&self, id: u64, why: String) {
        let frame = Frame {
            sender: 0,
            receiver: id,
            body: Body::Refusal(why),
        };
        self.speaker.say(frame.encode());
    }

    /// Tells people, and those on the other side where they have to do something about it.
    pub(super) fn complain_of_frame(&mut self, id: u64, malformed: &Malformed) {
        self.complain(malformed.to_string());
        if let Malformed::Version(_) = malformed {
            self.refuse(id, malformed.to_string());
        }
    }
}
