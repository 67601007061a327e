//! The patterns of more than two: which processes each has, and how they leave in the end.

use super::worker::{LAST, STOP};

/// A process of a company.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// What the report calls it.
    pub(super) role: &'static str,
    /// Which worker does it, in each language.
    pub(super) script: &'static str,
    /// What that worker is told to be.
    pub(super) kind: &'static str,
    /// Whether it makes messages, which are numbered from 0 for each of its lives.
    pub(super) makes: bool,
    /// Whether it may have a copy of a message that it has released and not noted.
    pub(super) copies: bool,
    /// What it is told in the end.
    pub(super) last: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    Broadcast,
    Inbox,
    Queue,
    Service,
}

const fn maker(role: &'static str, script: &'static str) -> Part {
    Part {
        role,
        script,
        kind: role,
        makes: true,
        copies: false,
        last: STOP,
    }
}

const fn taker(role: &'static str, script: &'static str, kind: &'static str) -> Part {
    Part {
        role,
        script,
        kind,
        makes: false,
        copies: false,
        last: LAST,
    }
}

const DURABLE: Part = Part {
    copies: true,
    ..taker("durable subscriber", "reader", "durable")
};
const INBOX: Part = Part {
    copies: true,
    ..taker("inbox", "inbox", "inbox")
};
const SERVER: Part = taker("server", "server", "server");
const WORKER: Part = taker("worker", "worker", "worker");

impl Pattern {
    pub(super) const ALL: [Self; 4] = [Self::Broadcast, Self::Inbox, Self::Queue, Self::Service];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Inbox => "inbox",
            Self::Queue => "queue",
            Self::Service => "service",
        }
    }

    /// Its processes, in the order in which they leave: who makes messages goes first, so that the others can find an end.
    pub(super) fn parts(self) -> Vec<Part> {
        match self {
            Self::Broadcast => vec![
                maker("publisher", "writer"),
                DURABLE,
                taker("lossless subscriber", "subscriber", "lossless"),
                taker("lossy subscriber", "subscriber", "lossy"),
            ],
            Self::Inbox => [vec![maker("sender", "writer"); 3], vec![INBOX]].concat(),
            Self::Queue => [vec![maker("dealer", "writer")], vec![WORKER; 3]].concat(),
            // One of the servers stands by.
            Self::Service => [vec![maker("client", "client"); 3], vec![SERVER; 2]].concat(),
        }
    }
}
