//! The answering side of a service.

use super::by_number::ByNumber;
use super::envelope::{Envelope, Part, short};
use super::request::Request;
use super::way_back::{Behind, Out, WayBack};
use crate::awaiting::Awaiting;
use crate::group::Silent;
use crate::inbox::{SenderId, number};
use crate::lanes::Lanes;
use crate::layout::Kind;
use crate::registry::{Member, Plan, Registry, plan_setters};
use crate::segment::{PeerState, Way};
use crate::wait::SLICE;
use crate::{Error, Interest, KrenWriter, Result};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The code of the failure that a successor reports for a request that its predecessor died over.
pub(super) const DIED: u32 = u32::MAX;
/// Between two tries to hand over what is kept for slow clients.
pub(super) const RETRY: Duration = Duration::from_millis(1);
/// How long somebody else may have a way back that a client waits for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks of a standby at the server that is there.
const STANDBY: Duration = Duration::from_millis(20);

/// The answering side of a service: it gets the requests of any number of clients ([`KrenClient`](crate::KrenClient)), and
/// answers each when and in what order it likes.
///
/// Requests of one client come in their order, those of several are taken in turn. A client that does not read its answers
/// holds up nobody else's. There is one server per name; others may stand by ([`ServerOptions::standby`]). What a server that
/// died had not answered goes to its successor where the client allows it, and fails otherwise.
pub struct KrenServer {
    // Before the lanes, and the seat with them: the service's name goes with the last lane.
    ways: ByNumber<Arc<WayBack>>,
    behind: Arc<Behind>,
    lanes: Lanes,
    /// Requests that a predecessor may have begun with: for each lane, the messages before this count.
    suspect: HashMap<u64, u64>,
    alignment: usize,
    pub(super) awaiting: Awaiting,
}

impl KrenServer {
    /// Serves `name` from now on, with 1 MiB for the requests and for the answers of each client.
    ///
    /// # Errors
    ///
    /// [`Error::WriterExists`] while another server of this name lives; [`Error::WrongKind`]; otherwise as
    /// [`KrenWriter::create`].
    pub fn create(name: &str) -> Result<Self> {
        Self::options().create(name)
    }

    /// Options for servers that need more than a name.
    #[must_use]
    pub fn options() -> ServerOptions {
        ServerOptions::default()
    }

    /// The next request, waiting for it, and for the first client, if need be.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; [`Error::Forked`].
    #[allow(clippy::should_implement_trait, reason = "it never ends, and it fails")]
    pub fn next(&mut self) -> Result<Request> {
        self.next_checking(None, &mut || Ok(()))
    }

    /// As [`KrenServer::next`], waiting `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`KrenServer::next`], and [`Error::TimedOut`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Request> {
        self.next_checking(Some(timeout), &mut || Ok(()))
    }

    /// The next request if there is one now.
    ///
    /// # Errors
    ///
    /// As [`KrenServer::next`].
    pub fn try_next(&mut self) -> Result<Option<Request>> {
        match self.next_timeout(Duration::ZERO) {
            Ok(request) => Ok(Some(request)),
            Err(Error::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`KrenServer::next_timeout`], for callers that have to look after something else meanwhile: `check` runs at least
    /// every 100 ms and after each signal, and an error of its ends the wait.
    ///
    /// # Errors
    ///
    /// As [`KrenServer::next_timeout`]; whatever `check` returns.
    pub fn next_checking(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Request> {
        let within = timeout.map(|timeout| (Instant::now(), timeout));
        loop {
            let left = within.map(|(start, timeout)| timeout.saturating_sub(start.elapsed()));
            // What is kept for a slow client is tried again meanwhile; another thread may keep some without a word.
            let most = match self.flush() {
                true => SLICE,
                false => RETRY,
            };
            let slice = left.map_or(most, |left| left.min(most));
            let at = match self.lanes.wait(Some(slice), check) {
                Ok(at) => at,
                Err(Error::TimedOut { channel, what, .. }) => {
                    self.tidy();
                    if left.is_some_and(|left| left <= slice) {
                        return Err(Error::TimedOut {
                            channel,
                            what: if what == "message" { "request" } else { what },
                            after: timeout.unwrap_or_default(),
                        });
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(request) = self.take(at)? {
                return Ok(request);
            }
        }
    }

    /// Takes what is next in a lane: a request, or nothing that concerns the user.
    fn take(&mut self, at: usize) -> Result<Option<Request>> {
        let lane = self.lanes.lane(at);
        let (member, pid) = (lane.member, lane.pid);
        let count = lane.reader.messages_read();
        let Some(message) = lane.reader.try_read()? else {
            return Ok(None);
        };
        let Some(envelope) = Envelope::load(&message, self.alignment) else {
            // Dropped, so that the next one is another; nobody can be told.
            return Ok(None);
        };
        let lease = message.into_lease();
        let number = number(member);
        let way = match self.ways.get(number) {
            Some(way) => Arc::clone(way),
            None => self.open_way(member, pid)?,
        };
        if envelope.part != Part::Request {
            if envelope.part == Part::Cancel {
                // The map has one and this is another; the rest are requests at work, the only ones that may ask.
                let is_at_work = Arc::strong_count(&way) > 2;
                way.cancel(is_at_work.then_some(envelope.call));
            }
            return Ok(None);
        }
        let request = Request {
            lease,
            alignment: self.alignment,
            envelope,
            arrived: (envelope.left > 0).then(Instant::now),
            way,
            is_answered: false,
        };
        // Who was quick has asked this one.
        let is_for_another = envelope.server != short(self.lanes.registry.owner_session());
        if is_for_another
            && !envelope.may_retry
            && self
                .suspect
                .get(&number)
                .is_some_and(|before| count < *before)
        {
            // A predecessor may have begun with it. If the client is gone, nobody minds.
            let _ = request.fail(DIED, "the server died over this request");
            return Ok(None);
        }
        Ok(Some(request))
    }

    #[cold]
    fn open_way(&mut self, member: Member, pid: u32) -> Result<Arc<WayBack>> {
        let registry = &mut self.lanes.registry;
        let client = SenderId {
            number: number(member),
            pid,
        };
        let writer = way_back(registry, member)?;
        let way = Arc::new(WayBack {
            channel: Arc::clone(registry.name()),
            client,
            out: Mutex::new(Out {
                writer,
                kept: VecDeque::new(),
                kept_bytes: 0,
            }),
            cancelled: Mutex::default(),
            has_cancelled: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            behind: Arc::clone(&self.behind),
            is_over: AtomicBool::new(false),
        });
        registry.tell_member(member);
        self.ways.insert(client.number, Arc::clone(&way));
        Ok(way)
    }

    /// That there is a request, a client has come or gone, or an answer had no room: see [`Selector::add`](crate::Selector::add), and
    /// [`KrenInbox::readable`](crate::KrenInbox::readable).
    ///
    /// # Errors
    ///
    /// [`Error::Forked`]; [`Error::Busy`].
    pub fn readable(&mut self) -> Result<Interest> {
        let (name, behind) = (Arc::clone(self.lanes.registry.name()), &self.behind);
        self.lanes.interest(|| {
            let behind = Arc::clone(behind);
            let is_news = move || behind.is_news.load(Ordering::Relaxed);
            Some(Silent::interest(&name, is_news))
        })
    }

    /// Whether answers are kept for clients that had no room for them: [`KrenServer::try_next`] tries again to hand them over.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind.is_any.load(Ordering::Relaxed)
            && self
                .ways
                .values()
                .any(|way| way.is_behind.load(Ordering::Relaxed))
    }

    /// Whether the service's name does not lead to it any more, since somebody has removed it. Makes a system call.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.lanes.registry.is_removed()
    }

    /// Hands over what is kept for slow clients; tells whether nothing is left.
    #[inline]
    fn flush(&self) -> bool {
        !self.behind.is_any.load(Ordering::Relaxed) || self.flush_all()
    }

    #[cold]
    fn flush_all(&self) -> bool {
        // Before the look: what is kept after it says so again.
        self.behind.is_news.store(false, Ordering::Relaxed);
        self.behind.is_any.swap(false, Ordering::Acquire);
        let mut is_done = true;
        for way in self.ways.values() {
            if way.is_behind.load(Ordering::Relaxed) {
                way.out().flush(&way.is_behind);
                is_done &= !way.is_behind.load(Ordering::Relaxed);
            }
        }
        if !is_done {
            self.behind.is_any.store(true, Ordering::Relaxed);
        }
        is_done
    }

    /// Lets go of the ways back to clients that are gone.
    fn tidy(&mut self) {
        while let Some(gone) = self.lanes.take_gone() {
            // Requests that are still at work keep it as long as they live.
            if let Some(way) = self.ways.remove(number(gone.member)) {
                way.is_over.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The clients that are there.
    #[must_use]
    pub fn clients(&self) -> Vec<SenderId> {
        let describe = |lane: &crate::lanes::Lane| SenderId {
            number: number(lane.member),
            pid: lane.pid,
        };
        self.lanes.iter().map(describe).collect()
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lanes.registry.name()
    }

    /// Closes this side. Requests that were not answered fail at their clients, or go to a server that stands by.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn close(self) -> Result<()> {
        self.lanes.registry.endpoint().check_process()
    }
}

impl Drop for KrenServer {
    fn drop(&mut self) {
        for lane in self.lanes.iter() {
            if self.lanes.registry.state_of(lane.member) != PeerState::Attached
                && let Some(way) = self.ways.get(number(lane.member))
            {
                way.is_over.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl std::fmt::Debug for KrenServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenServer")
            .field("name", &self.name())
            .field("clients", &self.lanes.iter().count())
            .finish_non_exhaustive()
    }
}

/// The way back to a client; `None` where nobody is there to be answered.
fn way_back(registry: &Registry, member: Member) -> Result<Option<KrenWriter>> {
    let start = Instant::now();
    loop {
        match registry.lane_writer(member, Way::Back) {
            // Who takes the seat of a client that is gone holds both sides of what was left there while it removes that (I3).
            Err(Error::WriterExists { .. }) if registry.state_of(member) != PeerState::Attached => {
                return Ok(None);
            }
            // It has the seat already, and has not said so yet.
            Err(Error::WriterExists { .. }) if start.elapsed() < PATIENCE => {}
            writer => return writer.map(Some),
        }
    }
}

/// Lets go of what a predecessor has answered to clients that are gone: nobody comes for it.
fn discard_answers(registry: &Registry) {
    let is_gone = |member: &Member| {
        registry.has_lane(*member, Way::Back) && registry.state_of(*member) != PeerState::Attached
    };
    for member in registry.sessions().filter(is_gone) {
        // One that cannot be opened is left where it is.
        if let Ok(writer) = registry.lane_writer(member, Way::Back) {
            let _ = writer.close_discarding();
        }
    }
}

/// How to create a server; see [`KrenServer::options`].
#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub(crate) plan: Plan,
    standby: Option<Option<Duration>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            plan: Plan::new(Kind::Service),
            standby: None,
        }
    }
}

impl ServerOptions {
    /// Bytes of records for the requests of each client, and as many for its answers. Default: 1 MiB.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.plan.lane = capacity;
        self
    }

    /// How many clients there may be at a time: 1 to 1024. Default: 64.
    #[must_use]
    pub fn clients(mut self, clients: usize) -> Self {
        self.plan.members = clients;
        self
    }

    /// Stands by while another server lives, `timeout` at most or for ever with `None`, and takes over when it has died or
    /// closed. Default: another one is an error.
    #[must_use]
    pub fn standby(mut self, timeout: Option<Duration>) -> Self {
        self.standby = Some(timeout);
        self
    }

    plan_setters!();

    /// Serves `name` from now on; see [`KrenServer::create`].
    ///
    /// # Errors
    ///
    /// As [`KrenServer::create`]; [`Error::InvalidOption`]; [`Error::TimedOut`] for one that stood by.
    pub fn create(&self, name: &str) -> Result<KrenServer> {
        self.create_checked(name, &mut || Ok(()))
    }

    /// As [`ServerOptions::create`], for callers that have to look after something else meanwhile: while it stands by, `check`
    /// runs at least every 100 ms, and an error of its ends that.
    ///
    /// # Errors
    ///
    /// As [`ServerOptions::create`]; whatever `check` returns.
    pub fn create_checked(
        &self,
        name: &str,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<KrenServer> {
        let start = Instant::now();
        let registry = loop {
            let Some(timeout) = self.standby else {
                break Registry::own(name, &self.plan, check)?;
            };
            match Registry::own(name, &self.plan, check) {
                Err(Error::WriterExists { .. }) => {}
                registry => break registry?,
            }
            check()?;
            if let Some(timeout) = timeout
                && start.elapsed() >= timeout
            {
                return Err(Error::TimedOut {
                    channel: name.into(),
                    what: "end of the server that is there",
                    after: timeout,
                });
            }
            std::thread::sleep(STANDBY);
        };
        discard_answers(&registry);
        let lanes = Lanes::new(registry)?;
        let suspect = lanes
            .iter()
            .map(|lane| (number(lane.member), lane.reader.messages_written()))
            .collect();
        Ok(KrenServer {
            awaiting: Awaiting::default(),
            lanes,
            ways: ByNumber::default(),
            behind: Arc::default(),
            suspect,
            alignment: self.plan.alignment,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// P12: the way back to a client that is gone, which somebody else holds for a moment (I3), is no error of the server's.
    #[test]
    fn the_way_back_to_the_dead_may_be_looked_at() {
        let name = format!("way-looked-at-{}", std::process::id());
        let mut server = KrenServer::create(&name).unwrap();
        let mut client = Registry::join(&name, &Plan::new(Kind::Service), &mut || Ok(())).unwrap();
        let own = client.own_member();
        let mut requests = client.lane_writer(own, Way::Forth).unwrap();
        let held = client.lane_writer(own, Way::Back).unwrap();
        client.tell();
        assert!(server.try_next().unwrap().is_none());
        let envelope = Envelope::new(1, Part::Request);
        let mut request = vec![0; envelope.front(server.alignment)];
        envelope.store(&mut request);
        requests.write(&request).unwrap();
        drop((requests, client));
        let request = server.next_timeout(Duration::from_secs(60)).unwrap();
        request.reply(b"nobody hears").unwrap();
        drop(held);
    }
}
