//! The calling side of a service.

use super::by_number::ByNumber;
use super::call::{Call, CallOptions};
use super::envelope::{Envelope, Part, failure, short};
use super::reply::Reply;
use crate::awaiting::Awaiting;
use crate::layout::Kind;
use crate::registry::{Plan, Registry, plan_setters};
use crate::segment::{PeerState, Way};
use crate::wait::SLICE;
use crate::{Error, Interest, KrenReader, KrenWriter, Result};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer proves that the server lives, so that the system need not be asked before each call.
const TRUST: Duration = Duration::from_millis(50);

/// One of the calling sides of a service ([`KrenServer`](crate::KrenServer)).
///
/// A call that cannot be answered ends: with [`Error::NoServer`] at once where there is none, and the request was not sent;
/// with [`Error::ServerDied`] within 200 ms where it died meanwhile, and may have done part of it; with [`Error::TimedOut`];
/// and with [`Error::Remote`] where the server said that it failed.
///
/// ```
/// # use kren_core::{KrenClient, KrenServer};
/// # use std::time::Duration;
/// # let name = format!("doc-client-{}", std::process::id());
/// # let mut server = KrenServer::create(&name)?;
/// # let serving = std::thread::spawn(move || {
/// #     let request = server.next().unwrap();
/// #     let answer = request.to_ascii_uppercase();
/// #     request.reply(&answer).unwrap();
/// #     server
/// # });
/// let mut client = KrenClient::connect(&name)?;
/// let reply = client.call(b"louder", Some(Duration::from_secs(10)))?;
/// assert_eq!(&reply[..], b"LOUDER");
/// # serving.join().unwrap();
/// # Ok::<(), kren_core::Error>(())
/// ```
pub struct KrenClient {
    // Before the seat: who comes to that finds the lanes closed.
    replies: Option<KrenReader>,
    requests: KrenWriter,
    registry: Registry,
    next_call: u64,
    open: ByNumber<Open>,
    /// What has come of them while another one was waited for; no entry is empty.
    kept: ByNumber<VecDeque<Reply>>,
    /// Answers to calls that nobody waits for any more.
    late: u64,
    alive: Option<Instant>,
    pub(super) awaiting: Awaiting,
}

/// A call whose answer is not complete.
struct Open {
    /// The session of the server that has got the request.
    server: u32,
    timeout: Option<Duration>,
    may_retry: bool,
    sent: Instant,
}

impl KrenClient {
    /// Joins the service `name`, whose server need not be there yet.
    ///
    /// # Errors
    ///
    /// [`Error::NoSeat`] while all seats are taken; [`Error::WrongKind`]; otherwise as [`KrenWriter::create`].
    pub fn connect(name: &str) -> Result<Self> {
        Self::options().connect(name)
    }

    /// Options for clients that need more than a name.
    #[must_use]
    pub fn options() -> ClientOptions {
        ClientOptions::default()
    }

    /// Sends a request and waits for its answer, `timeout` at most, or for ever with `None`.
    ///
    /// # Errors
    ///
    /// [`Error::NoServer`]; [`Error::ServerDied`]; [`Error::TimedOut`]; [`Error::Remote`]; [`Error::TooLarge`]; [`Error::Corrupt`];
    /// [`Error::Forked`].
    pub fn call(&mut self, request: &[u8], timeout: Option<Duration>) -> Result<Reply> {
        let options = CallOptions {
            timeout,
            ..CallOptions::default()
        };
        self.call_with(request, options, &mut || Ok(()))
    }

    /// As [`KrenClient::call`], with options; `check` is that of [`KrenReader::wait_readable`].
    ///
    /// # Errors
    ///
    /// As [`KrenClient::call`], and whatever `check` returns: the call is cancelled then.
    pub fn call_with(
        &mut self,
        request: &[u8],
        options: CallOptions<'_>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Reply> {
        let call = self.start_checking(request, options, check)?;
        let answer = self.next_part(call, check);
        self.only_answer(call, answer)
    }

    /// What a call comes to of which one answer is wanted.
    pub(super) fn only_answer(
        &mut self,
        call: Call,
        answer: Result<Option<Reply>>,
    ) -> Result<Reply> {
        match answer {
            Ok(Some(reply)) => {
                // One answer was asked for; a server that gives several is told that they are not wanted.
                if !reply.part.is_last() {
                    self.cancel(call);
                }
                Ok(reply)
            }
            Ok(None) => Err(self.remote(0, "the server gave no answer".into())),
            Err(error) => {
                self.cancel(call);
                Err(error)
            }
        }
    }

    /// Sends a request without waiting for its answer, which [`KrenClient::next`] gets. Any number may be under way; they are
    /// answered in any order.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::call`], but for those of the answer.
    pub fn start(&mut self, request: &[u8], options: CallOptions<'_>) -> Result<Call> {
        self.start_checking(request, options, &mut || Ok(()))
    }

    /// As [`KrenClient::start`], for callers that have to look after something else while there is no room for the request;
    /// `check` is that of [`KrenReader::wait_readable`].
    ///
    /// # Errors
    ///
    /// As [`KrenClient::start`], and whatever `check` returns: nothing was sent then.
    pub fn start_checking(
        &mut self,
        request: &[u8],
        options: CallOptions<'_>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Call> {
        if let Some(call) = self.try_start(request, options)? {
            return Ok(call);
        }
        let start = Instant::now();
        loop {
            if let Some(call) = self.try_start(request, options)? {
                return Ok(call);
            }
            let left = options
                .timeout
                .map(|timeout| timeout.saturating_sub(start.elapsed()));
            self.wait_room(request.len(), options, left, check)?;
        }
    }

    /// As [`KrenClient::start`], if there is room for the request now; `None` if not.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::start`].
    pub fn try_start(&mut self, request: &[u8], options: CallOptions<'_>) -> Result<Option<Call>> {
        self.registry.endpoint().check_process()?;
        let Ok(method) = u16::try_from(options.method.len()) else {
            return Err(Error::InvalidOption {
                channel: Arc::clone(self.registry.name()),
                option: "method",
                reason: "its name has more than 65,535 bytes",
            });
        };
        let now = Instant::now();
        self.check_server(now)?;
        self.next_call += 1;
        let call = self.next_call;
        let server = self.registry.owner_session();
        let envelope = Envelope {
            may_retry: options.may_retry,
            server: short(server),
            method,
            left: options.timeout.map_or(0, |timeout| {
                u32::try_from(timeout.as_millis())
                    .unwrap_or(u32::MAX)
                    .max(1)
            }),
            ..Envelope::new(call, Part::Request)
        };
        match envelope.send(&mut self.requests, options.method, options.tag, request) {
            Ok(()) => {}
            Err(Error::Full { .. }) => return Ok(None),
            Err(error) => {
                let front = envelope.front(self.requests.alignment());
                return Err(self.of_service(error, front));
            }
        }
        let open = Open {
            server,
            timeout: options.timeout,
            may_retry: options.may_retry,
            sent: now,
        };
        self.open.insert(call, open);
        Ok(Some(Call(call)))
    }

    /// Bytes that a request takes beside its own.
    fn front(&self, options: &CallOptions<'_>) -> usize {
        let envelope = Envelope {
            // What is too long is refused before it is sent.
            method: u16::try_from(options.method.len()).unwrap_or(u16::MAX),
            ..Envelope::new(0, Part::Request)
        };
        envelope.front(self.requests.alignment())
    }

    /// Waits until there is room for a request of `len` bytes; `timeout` and `check` are those of [`KrenReader::wait_readable`].
    ///
    /// # Errors
    ///
    /// [`Error::NoServer`]; [`Error::TimedOut`]; [`Error::Forked`]; [`Error::Corrupt`]; whatever `check` returns.
    pub fn wait_room(
        &mut self,
        len: usize,
        options: CallOptions<'_>,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let front = self.front(&options);
        let waited = self.requests.wait_writable(front + len, timeout, check);
        waited.map_err(|error| self.of_service(error, front))
    }

    /// Room for a request of `len` bytes: see [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]; [`Error::Forked`].
    pub fn writable(&self, len: usize, options: CallOptions<'_>) -> Result<Interest> {
        let front = self.front(&options);
        let room = self.requests.writable(front + len);
        room.map_err(|error| self.of_service(error, front))
    }

    /// The next answer to `call`, waiting for it; `None` once there are no more.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::call`]. [`Error::Cancelled`] for a call that was cancelled, or is over.
    pub fn next(&mut self, call: Call) -> Result<Option<Reply>> {
        self.next_part(call, &mut || Ok(()))
    }

    /// As [`KrenClient::next`]; `check` is that of [`KrenReader::wait_readable`].
    ///
    /// # Errors
    ///
    /// As [`KrenClient::next`], and whatever `check` returns.
    pub fn next_part(
        &mut self,
        call: Call,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Reply>> {
        self.next_part_within(call, None, check)
    }

    /// As [`KrenClient::next_part`], waiting `timeout` at most, and no longer than the call has time in any case.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::next_part`]. After [`Error::TimedOut`] it can be waited for again, as long as the call has time.
    #[doc(hidden)]
    pub fn next_part_within(
        &mut self,
        call: Call,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Reply>> {
        self.registry.endpoint().check_process()?;
        let patience = timeout.map(|timeout| (Instant::now(), timeout));
        loop {
            if self.open.get(call.0).is_none() {
                return Err(Error::Cancelled {
                    channel: Arc::clone(self.registry.name()),
                });
            }
            if !self.kept.is_empty()
                && let Some(reply) = self.take_kept(call)
            {
                return self.finish(call, reply);
            }
            while let Some(replies) = &mut self.replies {
                let Some(message) = replies.try_read()? else {
                    break;
                };
                let Some(envelope) = Envelope::load(&message, message.reader.alignment()) else {
                    drop(message);
                    return Err(self.no_envelope());
                };
                if envelope.call != call.0 {
                    let reply = Reply::of(message, &envelope);
                    self.keep(envelope.call, reply);
                    continue;
                }
                match envelope.part {
                    Part::Item => {}
                    Part::Reply => close(&mut self.open, &mut self.alive, call),
                    _ => {
                        let reply = Reply::of(message, &envelope);
                        return self.finish(call, reply);
                    }
                }
                return Ok(Some(Reply::of(message, &envelope)));
            }
            self.wait(call, patience, check)?;
        }
    }

    /// The calls to which an answer is there, for [`KrenClient::poll`] to get.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`]; [`Error::Forked`].
    pub fn arrived(&mut self) -> Result<Vec<Call>> {
        self.registry.endpoint().check_process()?;
        self.keep_all()?;
        Ok(self.kept.iter().map(|(call, _)| Call(call)).collect())
    }

    /// Takes all that has come.
    fn keep_all(&mut self) -> Result<()> {
        if self.replies.is_none() {
            self.find_replies()?;
        }
        while let Some(replies) = &mut self.replies {
            let Some(message) = replies.try_read()? else {
                break;
            };
            let Some(envelope) = Envelope::load(&message, message.reader.alignment()) else {
                drop(message);
                return Err(self.no_envelope());
            };
            let reply = Reply::of(message, &envelope);
            self.keep(envelope.call, reply);
        }
        Ok(())
    }

    /// Keeps an answer for its call, or drops it if that is over.
    fn keep(&mut self, call: u64, reply: Reply) {
        if self.open.get(call).is_none() {
            self.late += 1;
            return;
        }
        let reply = reply.into_copy();
        match self.kept.get_mut(call) {
            Some(kept) => kept.push_back(reply),
            None => self.kept.insert(call, VecDeque::from([reply])),
        }
    }

    /// The first answer that was kept for `call`.
    fn take_kept(&mut self, call: Call) -> Option<Reply> {
        let kept = self.kept.get_mut(call.0)?;
        let reply = kept.pop_front();
        if kept.is_empty() {
            self.kept.remove(call.0);
        }
        reply
    }

    #[cold]
    fn no_envelope(&self) -> Error {
        Error::Corrupt {
            channel: Arc::clone(self.registry.name()),
            what: "an answer has no envelope".into(),
        }
    }

    /// Whether an answer to `call` is there; gets it if so. `None`: not yet, and what was there for other calls has been taken in, of
    /// which [`KrenClient::arrived`] tells and [`KrenClient::readable`] does not.
    ///
    /// # Errors
    ///
    /// As [`KrenClient::next`].
    pub fn poll(&mut self, call: Call) -> Result<Option<Option<Reply>>> {
        self.registry.endpoint().check_process()?;
        if self.open.get(call.0).is_none() {
            return Err(Error::Cancelled {
                channel: Arc::clone(self.registry.name()),
            });
        }
        // What has come for others since they were asked for stays where whoever waits is told of it.
        let mut reply = self.take_kept(call);
        if reply.is_none() {
            self.keep_all()?;
            reply = self.take_kept(call);
        }
        match reply {
            Some(reply) => self.finish(call, reply).map(Some),
            None => {
                self.check_call(call)?;
                Ok(None)
            }
        }
    }

    /// That an answer may have come, or the server may be gone: then [`KrenClient::poll`] says more of each call. See
    /// [`Selector::add`](crate::Selector::add).
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn readable(&self) -> Result<Interest> {
        self.registry.endpoint().check_process()?;
        if let Some(replies) = &self.replies
            && !replies.is_writer_closed()
            // A server that died on its way there rings no more.
            && replies.writer_state() != PeerState::NeverAttached
        {
            return replies.readable();
        }
        let view = self.registry.view().clone();
        let own = self.registry.own_member();
        let lane = self
            .replies
            .as_ref()
            .map(|replies| Arc::clone(&replies.endpoint));
        // Those that a successor may do again are waited for however long there is none.
        let once: Vec<u32> = self
            .open
            .values()
            .filter(|open| !open.may_retry)
            .map(|open| open.server)
            .collect();
        Ok(self.registry.told(move || {
            let is_over = |server: &u32| *server != view.owner_session();
            let is_answering = match &lane {
                Some(lane) => matches!(lane.peer_state(), Ok(PeerState::Attached)),
                None => view.has_lane(own, Way::Back),
            };
            is_answering
                || once.iter().any(is_over)
                || !once.is_empty() && view.owner() != PeerState::Attached
        }))
    }

    /// Whether the service's name does not lead to it any more, since somebody has removed it. Makes a system call.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.registry.is_removed()
    }

    /// Opens the way back, if the server has made it.
    fn find_replies(&mut self) -> Result<()> {
        let own = self.registry.own_member();
        let now = Some(Duration::ZERO);
        match self
            .registry
            .lane_reader(own, Way::Back, now, &mut || Ok(()))
        {
            Ok(reader) => self.replies = Some(reader),
            Err(Error::NotFound { .. } | Error::TimedOut { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What a part of an answer means for its call.
    fn finish(&mut self, call: Call, reply: Reply) -> Result<Option<Reply>> {
        if reply.part.is_last() {
            close(&mut self.open, &mut self.alive, call);
        }
        match reply.part {
            Part::Error => {
                let (code, text) = failure(&reply);
                if code == super::server::DIED {
                    return Err(Error::ServerDied {
                        channel: Arc::clone(self.registry.name()),
                    });
                }
                Err(self.remote(code, text))
            }
            Part::End => Ok(None),
            _ => Ok(Some(reply)),
        }
    }

    fn remote(&self, code: u32, text: String) -> Error {
        Error::Remote {
            channel: Arc::clone(self.registry.name()),
            code,
            text: text.into(),
        }
    }

    /// Waits for an answer, whichever, a while; fails where there will be none to `call`.
    fn wait(
        &mut self,
        call: Call,
        patience: Option<(Instant, Duration)>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut slice = self.time_left(call)?.map_or(SLICE, |left| left.min(SLICE));
        if let Some((start, timeout)) = patience {
            slice = slice.min(self.left_of(start, timeout)?);
        }
        let waited = match &mut self.replies {
            Some(replies) => replies.wait_readable(Some(slice), check),
            None => {
                // Before the look: whatever is told after it is seen.
                let epoch = self.registry.epoch();
                self.find_replies()?;
                match self.replies {
                    Some(_) => Ok(()),
                    None => self.registry.wait_told(epoch, slice, check),
                }
            }
        };
        match waited {
            Ok(()) => Ok(()),
            // Those of the channel back say what is looked up here.
            Err(
                Error::TimedOut { .. }
                | Error::NotFound { .. }
                | Error::Closed { .. }
                | Error::PeerDied { .. }
                | Error::Removed { .. },
            ) => self.check_call(call),
            Err(error) => Err(self.of_service(error, 0)),
        }
    }

    pub(super) fn time_left(&self, call: Call) -> Result<Option<Duration>> {
        let Some(open) = self.open.get(call.0) else {
            return Ok(None);
        };
        let Some(timeout) = open.timeout else {
            return Ok(None);
        };
        self.left_of(open.sent, timeout).map(Some)
    }

    fn left_of(&self, start: Instant, timeout: Duration) -> Result<Duration> {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(Error::TimedOut {
                channel: Arc::clone(self.registry.name()),
                what: "answer",
                after: timeout,
            });
        }
        Ok(left)
    }

    /// Fails where the time of `call` is over, or the server that had its request is gone. What it had answered before is
    /// looked for first.
    fn check_call(&mut self, call: Call) -> Result<()> {
        self.time_left(call)?;
        let Some(open) = self.open.get(call.0) else {
            return Ok(());
        };
        if self.kept.get(call.0).is_some()
            || self.replies.as_ref().is_some_and(KrenReader::has_message)
        {
            return Ok(());
        }
        let is_same = self.registry.owner_session() == open.server;
        let is_there = self.registry.owner() == PeerState::Attached;
        if is_there && is_same || open.may_retry {
            if !is_there || !is_same {
                // The next server makes the way back anew, or goes on with it.
                std::thread::sleep(Duration::from_millis(1));
            }
            return Ok(());
        }
        // A successor answers for what it found and may not do again.
        if is_there && self.replies.is_some() && open.sent.elapsed() < 2 * SLICE {
            return Ok(());
        }
        self.forget(call);
        self.replies = None;
        self.alive = None;
        Err(Error::ServerDied {
            channel: Arc::clone(self.registry.name()),
        })
    }

    /// Fails where there is no server. Asks the system only if none has answered for a while.
    fn check_server(&mut self, now: Instant) -> Result<()> {
        if self.alive.is_some_and(|alive| now < alive + TRUST) {
            return Ok(());
        }
        if self.registry.owner() != PeerState::Attached {
            return Err(Error::NoServer {
                channel: Arc::clone(self.registry.name()),
            });
        }
        self.alive = Some(now);
        Ok(())
    }

    /// Tells whether the call was open.
    fn forget(&mut self, call: Call) -> bool {
        self.kept.remove(call.0);
        self.open.remove(call.0).is_some()
    }

    /// Gives a call up: its answer is not waited for any more, and the server is told. What comes all the same is dropped.
    pub fn cancel(&mut self, call: Call) {
        if !self.forget(call) {
            return;
        }
        // Where there is no room for it, the server does what nobody waits for.
        let _ = Envelope::new(call.0, Part::Cancel).send(&mut self.requests, "", 0, &[]);
    }

    /// Calls that are started and not over.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.open.len()
    }

    /// Answers that came when nobody waited for them any more.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Whether a server is there. Makes a system call.
    #[must_use]
    pub fn server_state(&self) -> PeerState {
        self.registry.owner()
    }

    /// The longest request, in bytes, if it names no method.
    #[must_use]
    pub fn max_request_len(&self) -> usize {
        self.requests.max_message_len() - Envelope::len(self.requests.alignment())
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.registry.name()
    }

    /// Closes this side; calls that are under way are given up.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`].
    pub fn close(mut self) -> Result<()> {
        self.registry.endpoint().check_process()?;
        let open: Vec<u64> = self.open.iter().map(|(call, _)| call).collect();
        for call in open {
            self.cancel(Call(call));
        }
        Ok(())
    }

    /// Names the service instead of the lane, and what the user sends instead of that and the `front` bytes before it.
    fn of_service(&self, error: Error, front: usize) -> Error {
        let channel = Arc::clone(self.registry.name());
        match error {
            Error::TooLarge { len, max, .. } => Error::TooLarge {
                channel,
                len: len - front,
                max: max.saturating_sub(front),
            },
            // There was no room for the request, and nobody to make it: it was not sent.
            Error::Closed { .. } | Error::PeerDied { .. } | Error::Removed { .. } => {
                Error::NoServer { channel }
            }
            error => error,
        }
    }
}

impl Drop for KrenClient {
    fn drop(&mut self) {
        let endpoint = self.registry.endpoint();
        if endpoint.check_process().is_ok() && self.registry.owner() != PeerState::Attached {
            // Nobody answers them, and nobody would hear it: else the name would stand for their sake.
            let _ = self.requests.endpoint.detach_discarding();
        }
    }
}

/// Takes a call that is answered out of those that are open.
#[inline]
fn close(open: &mut ByNumber<Open>, alive: &mut Option<Instant>, call: Call) {
    if let Some(open) = open.remove(call.0) {
        // The server was there after that: all that is known without a look at the clock.
        *alive = (*alive).max(Some(open.sent));
    }
}

impl std::fmt::Debug for KrenClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KrenClient")
            .field("name", &self.name())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

/// How to join a service; see [`KrenClient::options`].
#[derive(Debug, Clone)]
pub struct ClientOptions {
    plan: Plan,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            plan: Plan::new(Kind::Service),
        }
    }
}

impl ClientOptions {
    /// Bytes of requests under way, where no server has said so. Default: 1 MiB.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.plan.lane = capacity;
        self
    }

    /// How many clients the service may have at a time, if this one comes first: 1 to 1024. Default: 64.
    #[must_use]
    pub fn clients(mut self, clients: usize) -> Self {
        self.plan.members = clients;
        self
    }

    plan_setters!();

    /// Joins the service `name`; see [`KrenClient::connect`].
    ///
    /// # Errors
    ///
    /// As [`KrenClient::connect`], and [`Error::InvalidOption`].
    pub fn connect(&self, name: &str) -> Result<KrenClient> {
        let mut registry = Registry::join(name, &self.plan, &mut || Ok(()))?;
        let requests = registry.lane_writer(registry.own_member(), Way::Forth)?;
        registry.tell();
        Ok(KrenClient {
            replies: None,
            requests,
            registry,
            next_call: 0,
            open: ByNumber::default(),
            kept: ByNumber::default(),
            late: 0,
            alive: None,
            awaiting: Awaiting::default(),
        })
    }
}
