//! The mutants of inboxes, work queues and services (I, Q and S of `docs/spec/registry.md`).

use super::catalogue::Suite::{Model, Unit, Whole};
use super::catalogue::{Mutant, mutant};

const SEATS: &str = "segment/registry.rs";
const CLAIM: &str = "segment/claim.rs";
const NAMES: &str = "segment/lane.rs";
const REGISTRY: &str = "registry.rs";
const ROSTER: &str = "roster.rs";
const LANES: &str = "lanes.rs";
const SENDER: &str = "sender.rs";
const DEALER: &str = "dealer.rs";
const WORKER: &str = "worker.rs";
const CLIENT: &str = "service/client.rs";
const SERVER: &str = "service/server.rs";
const WAY_BACK: &str = "service/way_back.rs";

pub(crate) const MUTANTS: &[Mutant] = &[
    mutant(
        "seat-taken-without-its-lock",
        "P7 I1",
        SEATS,
        &[(
            "if !seating.try_hold(seat)? { continue; }",
            "let _ = seating.try_hold(seat)?;",
        )],
        Whole,
        "queue::ahead_and_keys",
    ),
    mutant(
        "both-ways-by-one-name",
        "P11 I2",
        NAMES,
        &[("Way::Back => \"r\",", "Way::Back => \"\",")],
        Whole,
        "service::what_a_request_tells",
    ),
    mutant(
        "seat-with-messages-taken",
        "P8 I3",
        SEATS,
        &[(
            "if !stand(lanes(), access) {",
            "if !stand(lanes(), access) || session > 0 {",
        )],
        Whole,
        "inbox::what_a_sender_left",
    ),
    mutant(
        "empty-lane-of-the-dead-stays",
        "P8 I3",
        SEATS,
        &[(
            "let is_waste = || way == Way::Back || is_empty(&lane, &object);",
            "let is_waste = || way == Way::Back && is_empty(&lane, &object);",
        )],
        Whole,
        "inbox::a_sender_that_dies_without_a_word",
    ),
    mutant(
        "comes-in-silence",
        "P7 I4",
        SENDER,
        &[(
            "registry.tell(); Ok(KrenSender",
            "registry.look_over(); Ok(KrenSender",
        )],
        Whole,
        "inbox::a_busy_sender",
    ),
    mutant(
        "registry-removed-with-messages",
        "P8 I5",
        REGISTRY,
        &[(
            ".give_back(|| !endpoint.segment().has_lanes(access));",
            ".give_back(|| access.prefault || !access.prefault);",
        )],
        Whole,
        "inbox::what_a_sender_left",
    ),
    mutant(
        "capacity-of-the-owner-unsaid",
        "P7 I6",
        REGISTRY,
        &[(
            "lane.store(plan.lane as u64, Ordering::Relaxed);",
            "let _ = lane;",
        )],
        Whole,
        "inbox::what_a_sender_left",
    ),
    mutant(
        "looked-at-is-refused",
        "P9 I3",
        DEALER,
        &[("self.registry.look_again();", "")],
        Unit,
        "a_lane_that_is_looked_at",
    ),
    mutant(
        "died-on-its-way-waited-for",
        "P8 I3",
        LANES,
        &[("self.tend_unborn(); if is_due", "if is_due")],
        Unit,
        "a_sender_that_died_on_its_way",
    ),
    mutant(
        "dies-on-its-way-unnoticed",
        "P8 I3",
        LANES,
        &[(
            "let slice = match self.has_untold()",
            "let slice = match self.is_denied",
        )],
        Unit,
        "a_sender_that_dies_on_its_way",
    ),
    mutant(
        "denied-once-is-denied",
        "P7 I3",
        LANES,
        &[("=> self.is_denied = true,", "=> {}")],
        Unit,
        "lanes::tests::a_lane_that_is_looked_at",
    ),
    mutant(
        "epoch-relaxed",
        "P7 I4",
        ROSTER,
        &[(
            "fetch_add(1, Ordering::Release)",
            "fetch_add(1, Ordering::Relaxed)",
        )],
        Model,
        "models::registry",
    ),
    mutant(
        "any-number-ahead",
        "P9 Q1",
        DEALER,
        &[(
            "self.ahead == 0 || self.waiting() < self.ahead",
            "self.ahead == 0 || self.waiting() < u64::MAX",
        )],
        Whole,
        "queue::ahead_and_keys",
    ),
    mutant(
        "redelivered-unmarked",
        "P10 Q2",
        WORKER,
        &[(
            "let suspect = reader.messages_written();",
            "let suspect = 0;",
        )],
        Whole,
        "queue::the_work_of_the_dead",
    ),
    mutant(
        "dealt-to-the-dead",
        "P10 Q3",
        DEALER,
        &[(
            "self.lanes.extract_if(|_, lane| gone(lane))",
            "self.lanes.extract_if(|_, lane| gone(lane) && lane.ahead > 0)",
        )],
        Whole,
        "queue::the_dead_get_nothing_more",
    ),
    mutant(
        "session-before-forgotten",
        "P10 Q4",
        ROSTER,
        &[(
            "[before, last] .into_iter()",
            "[last, before].into_iter().take(1)",
        )],
        Unit,
        "a_lane_of_the_session_before",
    ),
    mutant(
        "answer-to-whoever-waits",
        "P11 S1",
        CLIENT,
        &[("if envelope.call != call.0 {", "if envelope.call == 0 {")],
        Whole,
        "service::each_call",
    ),
    mutant(
        "done-twice-unasked",
        "P13 S2",
        SERVER,
        &[(
            "if is_for_another && !envelope.may_retry",
            "if is_for_another && envelope.left == u32::MAX",
        )],
        Whole,
        "service::a_server_that_stands_by",
    ),
    mutant(
        "sent-to-nobody",
        "P12 S3",
        CLIENT,
        &[(
            "if self.registry.owner() != PeerState::Attached { return Err(Error::NoServer",
            "if self.registry.owner() == PeerState::Unknown { return Err(Error::NoServer",
        )],
        Whole,
        "service::calls_that_cannot",
    ),
    mutant(
        "server-waits-for-a-client",
        "P12 S4",
        WAY_BACK,
        &[(
            "Err(Error::Full { .. }) => {}",
            "Err(Error::Full { .. }) => drop(writer.flush()),",
        )],
        Whole,
        "service::a_client_that_hangs",
    ),
    mutant(
        "no-standby",
        "P13 S5",
        SERVER,
        &[(
            "Err(Error::WriterExists { .. }) => {} registry =>",
            "Err(Error::WriterExists { .. }) if self.plan.members == 0 => {} registry =>",
        )],
        Whole,
        "service::a_server_that_stands_by",
    ),
    mutant(
        "name-left-by-what-was-held",
        "P7 I5",
        REGISTRY,
        &[(
            "registry.remove_if_alone(|| !registry.has_lanes(access));",
            "let _ = (registry, access);",
        )],
        Whole,
        "inbox::a_letter_that_is_held_longest",
    ),
    mutant(
        "name-taken-from-the-living",
        "P7 I5",
        REGISTRY,
        &[(
            "if endpoint.is_closing() {",
            "if endpoint.is_closing() || true {",
        )],
        Whole,
        "inbox::a_letter_that_is_held_longer",
    ),
    mutant(
        "empty-mirror-of-a-lane-goes",
        "P7 I7",
        SEATS,
        &[(
            "header.origin.is_none() && has_nothing(object, &header)",
            "has_nothing(object, &header)",
        )],
        Whole,
        "lanes::a_lane_goes_on",
    ),
    mutant(
        "goes-on-from-the-first-lane-found",
        "P7 I7",
        CLAIM,
        &[("next: left.next.max(next),", "next: left.next.min(next),")],
        Unit,
        "claim::tests::a_death_before",
    ),
    mutant(
        "lane-before-goes-too-early",
        "P7 I7",
        CLAIM,
        &[(
            "if standing.contains(&session) {",
            "at.remove(session, self.origin()); if standing.contains(&session) {",
        )],
        Unit,
        "claim::tests::a_death_before",
    ),
    mutant(
        "lane-that-follows-is-missed",
        "P7 I7",
        LANES,
        &[("self.registry.look_again();", "")],
        Whole,
        "lanes::a_lane_that_comes",
    ),
];
