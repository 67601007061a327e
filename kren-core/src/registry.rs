//! A registry as its owner and its members use it: who is there, and how the owner is told of changes.
//! `docs/spec/registry.md`, I1 to I6.

use crate::endpoint::{Endpoint, Spot, Strategy};
use crate::interest::{Interest, Look, Point};
use crate::layout::{Kind, Origin, Seat};
use crate::os;
use crate::roster;
pub(crate) use crate::roster::Member;
use crate::segment::{self, Access, Claim, Decide, PeerState, Purpose, Way, Wish};
use crate::wait::Waker;
use crate::{KrenReader, KrenWriter, Result};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Seats for members, unless another number is asked for.
pub(crate) const MEMBERS: usize = 64;
/// Bytes of a lane, unless somebody says otherwise.
pub(crate) const LANE: usize = 1 << 20;

/// How an owner or a member of a registry opens it, and the lanes that go with it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// Seats for members, if the registry has to be made.
    pub(crate) members: usize,
    /// Bytes of each lane.
    pub(crate) lane: usize,
    pub(crate) alignment: usize,
    pub(crate) mode: Option<u32>,
    pub(crate) access: Access,
    pub(crate) strategy: Strategy,
    /// Of what the lane is the mirror.
    pub(crate) origin: Option<Origin>,
    /// What an owner goes by that stands for one elsewhere; else 0.
    pub(crate) identity: u64,
}

impl Plan {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            members: MEMBERS,
            lane: LANE,
            alignment: crate::layout::ALIGNMENT_MIN,
            mode: None,
            access: Access::default(),
            strategy: Strategy::default(),
            origin: None,
            identity: 0,
        }
    }

    fn wish(&self, purpose: Purpose) -> Wish {
        Wish {
            capacity: self.lane,
            alignment: self.alignment,
            mode: self.mode,
            fresh: false,
            purpose,
            schema: None,
            origin: match purpose {
                Purpose::Lane(_) => self.origin.clone(),
                _ => None,
            },
        }
    }
}

/// What the options of all that stand on a registry have in common.
macro_rules! plan_setters {
    () => {
        /// Permission bits of what has to be made; see [`WriterOptions::mode`](crate::WriterOptions::mode).
        #[must_use]
        pub fn mode(mut self, mode: u32) -> Self {
            self.plan.mode = Some(mode);
            self
        }

        /// Accepts segments that belong to another user. Default: refused.
        #[must_use]
        pub fn any_owner(mut self, any_owner: bool) -> Self {
            self.plan.access.any_owner = any_owner;
            self
        }

        /// How blocking calls wait.
        #[must_use]
        pub fn strategy(mut self, strategy: $crate::Strategy) -> Self {
            self.plan.strategy = strategy;
            self
        }
    };
}
pub(crate) use plan_setters;

/// A registry, one of whose seats is held.
pub(crate) struct Registry {
    view: View,
    waker: Waker,
    /// The epoch up to which the owner has looked it over; what waits for changes sees it as well.
    seen: Arc<AtomicU32>,
}

impl Registry {
    /// Finds the registry or makes it, and takes its owner's seat.
    pub(crate) fn own(
        name: &str,
        plan: &Plan,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        let wish = plan.wish(Purpose::Registry(plan.kind, plan.members));
        let segment = segment::open_writer(name, &wish, plan.access, check)?;
        let presence = &segment.mapping().page(Seat::WRITER).presence.0;
        // Relaxed: for who looks from outside, before it can see this owner.
        presence.identity.store(plan.identity, Ordering::Relaxed);
        let registry = Self::attach(segment, plan)?;
        let lane = &registry.endpoint.own().presence.0.lane;
        // Relaxed: advice to members that come.
        lane.store(plan.lane as u64, Ordering::Relaxed);
        Ok(registry)
    }

    /// Finds the registry or makes it, and takes a member's seat.
    pub(crate) fn join(
        name: &str,
        plan: &Plan,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        let wish = plan.wish(Purpose::Registry(plan.kind, plan.members));
        let segment = segment::open_member(name, &wish, plan.access, None, check)?;
        Self::attach(segment, plan)
    }

    /// As `join`, at the seat of a lane of the same origin as that of `plan`, if one stands (I7). `decide` says from which message on the
    /// lane is to go, and the plan knows it then.
    pub(crate) fn join_again(name: &str, plan: &mut Plan, decide: Decide<'_>) -> Result<Self> {
        let wish = plan.wish(Purpose::Registry(plan.kind, plan.members));
        let mut claim = Claim {
            // Of the registry that will be found.
            wish: plan.wish(Purpose::Lane(0)),
            decide,
            first: None,
        };
        let segment =
            segment::open_member(name, &wish, plan.access, Some(&mut claim), &mut || Ok(()))?;
        let first = match claim.first {
            Some(first) => first,
            None => (claim.decide)(None)?,
        };
        if let Some(origin) = &mut plan.origin {
            origin.first = first;
        }
        let registry = Self::attach(segment, plan)?;
        let Member { seat, session } = registry.own_member();
        if let Some(origin) = &plan.origin {
            let instance = registry.endpoint.segment().instance();
            segment::forget(
                registry.name(),
                instance,
                seat,
                session,
                origin,
                plan.access,
            );
        }
        Ok(registry)
    }

    fn attach(segment: segment::Segment, plan: &Plan) -> Result<Self> {
        let endpoint = Endpoint::attach(segment, plan.strategy, None)?;
        let waker = endpoint.waker();
        Ok(Self {
            view: View {
                endpoint,
                plan: plan.clone(),
            },
            waker,
            seen: Arc::default(),
        })
    }

    /// What looks at it, for whoever waits.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Whether anything has changed since `look_over`.
    #[inline]
    pub(crate) fn has_changed(&self) -> bool {
        // Relaxed: stored by this side.
        self.epoch() != self.seen.load(Ordering::Relaxed)
    }

    /// What changes from now on is new.
    pub(crate) fn look_over(&self) {
        self.seen.store(self.epoch(), Ordering::Relaxed);
    }

    /// Something could not be looked at yet: it is as if something had changed.
    pub(crate) fn look_again(&self) {
        let before = self.epoch().wrapping_sub(1);
        self.seen.store(before, Ordering::Relaxed);
    }

    /// That something has changed, for a selector.
    pub(crate) fn changes(&self) -> Result<Interest> {
        self.endpoint.check_process()?;
        let (view, seen) = (self.view.clone(), Arc::clone(&self.seen));
        Ok(self.told(move || view.epoch() != seen.load(Ordering::Relaxed)))
    }

    /// For the owner: tells a member that its lane has been made (I4).
    pub(crate) fn tell_member(&mut self, member: Member) {
        self.view.endpoint.announce_arrival();
        let endpoint = &self.view.endpoint;
        self.waker.notify(
            endpoint.own(),
            endpoint.mapping().page(member.seat),
            endpoint.own_signal(),
            u64::MAX,
        );
    }

    /// For a member: waits until somebody has told something since the epoch was `seen`, `most` at most.
    pub(crate) fn wait_told(
        &self,
        seen: u32,
        most: Duration,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let has_changed = || self.epoch() != seen;
        self.view
            .endpoint
            .wait_for_arrivals(Some(most), &has_changed, check)
    }

    /// That `is_there` says so, which is asked whenever this side is told something, and now and then.
    pub(crate) fn told(&self, is_there: impl Fn() -> bool + Send + Sync + 'static) -> Interest {
        Interest(Box::new(Told {
            endpoint: Arc::clone(&self.view.endpoint),
            is_there,
        }))
    }

    /// Tells the owner, and other members that wait, that something has changed (I4).
    pub(crate) fn tell(&mut self) {
        self.view.endpoint.announce_arrival();
        let endpoint = &self.view.endpoint;
        if endpoint.seat() == Seat::WRITER {
            return;
        }
        self.waker.notify(
            endpoint.own(),
            endpoint.mapping().page(Seat::WRITER),
            endpoint.own_signal(),
            u64::MAX,
        );
    }
}

impl Deref for Registry {
    type Target = View;
    fn deref(&self) -> &View {
        &self.view
    }
}

/// What can be seen of a registry from one of its seats.
#[derive(Clone)]
pub(crate) struct View {
    endpoint: Arc<Endpoint>,
    plan: Plan,
}

impl View {
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    /// The member that this side is.
    pub(crate) fn own_member(&self) -> Member {
        self.member(self.endpoint.seat())
    }

    /// The last session at `seat`.
    fn member(&self, seat: Seat) -> Member {
        roster::last(&**self.endpoint.mapping(), seat)
    }

    /// The last session at each seat that ever had one.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member> + '_ {
        roster::members(&**self.endpoint.mapping())
    }

    /// The same, and the session before each: a lane of either may stand (Q4).
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Member> + '_ {
        roster::sessions(&**self.endpoint.mapping())
    }

    /// Whether that member is there. Asks the system if its page says so.
    pub(crate) fn state_of(&self, member: Member) -> PeerState {
        match self.member(member.seat) == member {
            true => self.endpoint.segment().state_of(member.seat),
            // Somebody else has the seat by now.
            false => PeerState::Closed,
        }
    }

    /// Whether the owner is there.
    pub(crate) fn owner(&self) -> PeerState {
        self.endpoint.segment().state_of(Seat::WRITER)
    }

    /// The process that was the owner when it died.
    pub(crate) fn last_owner(&self) -> crate::Holder {
        let page = self.endpoint.mapping().page(Seat::WRITER);
        page.presence.0.last_holder()
    }

    /// How often the owner's seat has been taken.
    pub(crate) fn owner_session(&self) -> u32 {
        self.member(Seat::WRITER).session
    }

    /// What the owner wants each lane to hold; else what this side thinks.
    fn lane_capacity(&self) -> usize {
        if self.plan.origin.is_some() {
            // As large as what it mirrors: whatever fits there fits here.
            return self.plan.lane;
        }
        let owner = self.endpoint.mapping().page(Seat::WRITER);
        match owner.presence.0.lane.load(Ordering::Relaxed) {
            0 => self.plan.lane,
            lane => usize::try_from(lane).unwrap_or(self.plan.lane),
        }
    }

    pub(crate) fn lane_name(&self, member: Member, way: Way) -> String {
        let instance = self.endpoint.segment().instance();
        let Member { seat, session } = member;
        segment::lane_name(self.name(), instance, seat, session, way)
    }

    /// Makes a lane of `member`, or goes on with it, as its writer.
    pub(crate) fn lane_writer(&self, member: Member, way: Way) -> Result<KrenWriter> {
        let instance = self.endpoint.segment().instance();
        let mut options = KrenWriter::options();
        options.wish = self.plan.wish(Purpose::Lane(instance));
        options.access = self.lane_access();
        options
            .strategy(self.plan.strategy)
            .create(&self.lane_name(member, way), self.lane_capacity())
            .map_err(|error| error.about(self.name()))
    }

    /// The reader of a lane of `member`, for which it waits.
    pub(crate) fn lane_reader(
        &self,
        member: Member,
        way: Way,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<KrenReader> {
        let mut options = KrenReader::options();
        options.access = self.lane_access();
        let mut reader = options
            .strategy(self.plan.strategy)
            .connect_within(&self.lane_name(member, way), timeout, check)
            .map_err(|error| error.about(self.name()))?;
        let (endpoint, access) = (Arc::clone(&self.endpoint), self.plan.access);
        // A lane that goes last takes along the name that stood for its sake.
        reader.afterwards = Some(Box::new(move || {
            // One that is still on it would take its own lock for nobody's, and lose it; it looks after the name when it leaves.
            if endpoint.is_closing() {
                let registry = endpoint.segment();
                registry.remove_if_alone(|| !registry.has_lanes(access));
            }
        }));
        Ok(reader)
    }

    fn lane_access(&self) -> Access {
        Access {
            is_lane: true,
            ..self.plan.access
        }
    }

    /// What members say with it: how many messages a worker wants ahead.
    pub(crate) fn advice_of(&self, member: Member) -> u32 {
        let presence = &self.endpoint.mapping().page(member.seat).presence.0;
        presence.advice.load(Ordering::Relaxed)
    }

    /// The process that a member is, or was; 0 where that means nothing here.
    pub(crate) fn pid_of(&self, member: Member) -> u32 {
        self.endpoint
            .mapping()
            .page(member.seat)
            .presence
            .0
            .holder()
            .pid()
    }

    /// Whether the lane of `member` stands.
    pub(crate) fn has_lane(&self, member: Member, way: Way) -> bool {
        let name = self.lane_name(member, way);
        segment::exists(&name, self.lane_access()).unwrap_or(true)
    }

    /// The longest message that a lane can carry, as this side would make it.
    pub(crate) fn longest(&self) -> Result<usize> {
        let wish = self.plan.wish(Purpose::Channel);
        segment::longest_message(self.name(), &wish)
    }

    /// Changes when a member comes, has made its lane, or goes. One load.
    #[inline]
    pub(crate) fn epoch(&self) -> u32 {
        self.endpoint.commons().map_or(0, roster::epoch)
    }

    /// Whether the name does not lead here any more.
    pub(crate) fn is_removed(&self) -> bool {
        !self.endpoint.is_inherited() && !self.endpoint.is_named()
    }
}

/// What somebody on the registry tells, as its owner or a member waits for it.
struct Told<F> {
    endpoint: Arc<Endpoint>,
    is_there: F,
}

impl<F: Fn() -> bool + Send + Sync> Point for Told<F> {
    fn name(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    fn begin(&self, spot: Spot) -> Result<()> {
        self.endpoint.begin_watch(spot)
    }

    fn end(&self) {
        self.endpoint.end_watch();
    }

    fn look(&self) -> Look {
        match (self.is_there)() {
            true => Look::Ready,
            false => Look::Not(0),
        }
    }

    fn announce(&self, wanted: u64) -> bool {
        self.endpoint.announce(wanted)
    }

    fn withdraw(&self) {
        self.endpoint.withdraw();
    }

    fn relies_on_barrier(&self) -> bool {
        // Whoever it is that comes next, where anybody can.
        os::barrier::OFFERED
    }

    fn is_deserted(&self) -> bool {
        false
    }

    fn peer(&self) -> (u32, u32) {
        // This process: there is nobody whose death would be told here.
        (std::process::id(), crate::os::pid_space())
    }

    fn unrung(&self) -> u32 {
        0
    }

    fn is_silent(&self) -> bool {
        // Who could not ring is found all the same.
        true
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if !self.endpoint.begin_leaving() {
            return;
        }
        self.endpoint.announce_closed();
        self.tell();
        let (endpoint, access) = (Arc::clone(&self.endpoint), self.plan.access);
        if !endpoint.segment().is_held(Seat::WRITER) {
            endpoint.segment().tidy_lanes(access);
        }
        // The name stays while a lane holds something that somebody may come for.
        self.endpoint
            .give_back(|| !endpoint.segment().has_lanes(access));
    }
}
