//! The reading side of an inbox.

mod awaiting;

use crate::awaiting::Awaiting;
use crate::lanes::{Gone, Lanes};
use crate::layout::Kind;
use crate::registry::{Member, Plan, Registry, plan_setters};
use crate::{Interest, Lease, Message, Result};
use std::ops::Deref;
use std::time::Duration;

/// The reading side of an inbox, into which any number of senders ([`KrenSender`](crate::KrenSender)) write.
///
/// Each sender has a lane of its own. Messages of one sender come in their order; those of several are taken in turn. What a
/// sender committed before it died arrives whole, and then [`KrenInbox::departures`] tells of its end. An inbox that died is
/// succeeded by the next one of its name, which gets all that was not released.
///
/// There is one per name.
pub struct KrenInbox {
    lanes: Lanes,
    awaiting: Awaiting,
}

/// Which sender a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SenderId {
    /// Tells it from every other sender that this inbox has had: [`KrenSender::number`](crate::KrenSender::number).
    pub number: u64,
    /// Its process id, for people; 0 if it means nothing in this process.
    pub pid: u32,
}

/// A sender that is gone, and from which nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// Who it was.
    pub sender: SenderId,
    /// Whether it died; else it has closed.
    pub died: bool,
}

/// The seat and the session as one number.
pub(crate) fn number(member: Member) -> u64 {
    (member.seat.number() as u64) << 32 | u64::from(member.session)
}

/// A message of an inbox, where it lies: a `&[u8]`, its tag, and its sender.
///
/// Dropping it releases its bytes to its sender.
pub struct Letter<'a> {
    message: Message<'a>,
    sender: SenderId,
}

impl Letter<'_> {
    /// Who wrote it.
    #[must_use]
    pub fn sender(&self) -> SenderId {
        self.sender
    }

    /// The tag it was written with.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.message.tag()
    }

    /// Holds the message beyond this borrow of its inbox, which may read on meanwhile.
    #[must_use = "dropping the lease releases the message"]
    pub fn into_lease(self) -> Lease {
        self.message.into_lease()
    }

    /// Leaves the message where it is: the next read gets it again.
    pub fn keep(self) {
        self.message.keep();
    }

    pub(crate) fn message(&self) -> &Message<'_> {
        &self.message
    }
}

impl Deref for Letter<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.message
    }
}

impl std::fmt::Debug for Letter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter")
            .field("sender", &self.sender)
            .field("message", &self.message)
            .finish()
    }
}

impl KrenInbox {
    /// Creates the inbox `name`, or goes on with it; each sender that joins from now on gets a lane of `capacity` bytes of
    /// records.
    ///
    /// # Errors
    ///
    /// [`Error::WriterExists`](crate::Error::WriterExists) while another inbox of this name lives;
    /// [`Error::WrongKind`](crate::Error::WrongKind); otherwise as [`KrenWriter::create`](crate::KrenWriter::create).
    pub fn create(name: &str, capacity: usize) -> Result<Self> {
        Self::options().create(name, capacity)
    }

    /// Options for inboxes that need more than a name and a capacity.
    #[must_use]
    pub fn options() -> InboxOptions {
        InboxOptions::default()
    }

    /// The next message, waiting for it if need be; also for the first sender.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt); [`Error::Forked`](crate::Error::Forked).
    pub fn read(&mut self) -> Result<Letter<'_>> {
        self.read_checking(None, &mut || Ok(()))
    }

    /// As [`KrenInbox::read`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::read`], and [`Error::TimedOut`](crate::Error::TimedOut).
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<Letter<'_>> {
        self.read_checking(Some(timeout), &mut || Ok(()))
    }

    /// As [`KrenInbox::read`], for callers that have to look after something else meanwhile: `check` runs at least every 100 ms
    /// and after each signal, and an error of its ends the wait.
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::read_timeout`]; whatever `check` returns.
    pub fn read_checking(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Letter<'_>> {
        let number = self.lanes.wait(timeout, check)?;
        self.take(number)
    }

    /// The next message if there is one now; `None` if not. Makes no system call unless somebody has come or gone, or waits.
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::read`].
    pub fn try_read(&mut self) -> Result<Option<Letter<'_>>> {
        match self.lanes.next()? {
            Some(number) => self.take(number).map(Some),
            None => Ok(None),
        }
    }

    /// That there is a message, or news of a sender: see [`Selector::add`](crate::Selector::add).
    ///
    /// While somebody waits for it, a call of the inbox that would have to wait fails with [`Error::Busy`](crate::Error::Busy).
    /// Each wait looks at every lane, so it costs as much as there are senders.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked); [`Error::Busy`](crate::Error::Busy).
    pub fn readable(&mut self) -> Result<Interest> {
        self.lanes.interest(|| None)
    }

    /// Whether the inbox's name does not lead to it any more, since somebody has removed it. Makes a system call.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.lanes.registry.is_removed()
    }

    /// Waits until there is a message; the parameters are those of [`KrenInbox::read_checking`].
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::read_checking`].
    pub fn wait_readable(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.lanes.wait(timeout, check).map(drop)
    }

    fn take(&mut self, at: usize) -> Result<Letter<'_>> {
        let lane = self.lanes.lane(at);
        let sender = SenderId {
            number: number(lane.member),
            pid: lane.pid,
        };
        // There is one: nobody else reads here.
        let message = lane.reader.read()?;
        Ok(Letter { message, sender })
    }

    /// The senders that are gone since the last call, each once everything that it committed has been read. A death is
    /// noticed within 200 ms by a call that waits.
    pub fn departures(&mut self) -> Vec<Departure> {
        std::iter::from_fn(|| self.lanes.take_gone())
            .map(|Gone { member, pid, died }| Departure {
                sender: SenderId {
                    number: number(member),
                    pid,
                },
                died,
            })
            .collect()
    }

    /// The senders whose lanes are there: those that live, and those that are gone and have messages left.
    #[must_use]
    pub fn senders(&self) -> Vec<SenderId> {
        let describe = |lane: &crate::lanes::Lane| SenderId {
            number: number(lane.member),
            pid: lane.pid,
        };
        self.lanes.iter().map(describe).collect()
    }

    /// Bytes of all lanes that hold unread messages, record headers included.
    #[must_use]
    pub fn available(&self) -> usize {
        self.lanes.iter().map(|lane| lane.reader.available()).sum()
    }

    /// The inbox's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lanes.registry.name()
    }

    /// Closes this side. What was not read stays for the next inbox of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`](crate::Error::Forked).
    pub fn close(self) -> Result<()> {
        self.lanes.registry.endpoint().check_process()
    }
}

impl std::fmt::Debug for KrenInbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenInbox")
            .field("name", &self.name())
            .field("senders", &self.lanes.iter().count())
            .finish_non_exhaustive()
    }
}

/// How to create an inbox; see [`KrenInbox::options`].
#[derive(Debug, Clone)]
pub struct InboxOptions {
    plan: Plan,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self {
            plan: Plan::new(Kind::Inbox),
        }
    }
}

impl InboxOptions {
    /// How many senders there may be at a time: 1 to 1024. Default: 64. Each takes a page of memory; an inbox whose first sender
    /// came before it has as many as that said.
    #[must_use]
    pub fn senders(mut self, senders: usize) -> Self {
        self.plan.members = senders;
        self
    }

    plan_setters!();

    /// Creates the inbox `name`; see [`KrenInbox::create`].
    ///
    /// # Errors
    ///
    /// As [`KrenInbox::create`], and [`Error::InvalidOption`](crate::Error::InvalidOption).
    pub fn create(&self, name: &str, capacity: usize) -> Result<KrenInbox> {
        let mut plan = self.plan.clone();
        plan.lane = capacity;
        let registry = Registry::own(name, &plan, &mut || Ok(()))?;
        let lanes = Lanes::new(registry)?;
        Ok(KrenInbox {
            lanes,
            awaiting: Awaiting::default(),
        })
    }
}
