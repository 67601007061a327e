//! The mutants of rings that several read: marks, frontier and counts (R9, R10), and broadcast (B1 to B10 of `docs/spec/broadcast.md`).

use super::catalogue::Suite::{Model, Unit, Whole};
use super::catalogue::{Mutant, mutant};

const MARK: &str = "ring/mark.rs";
const PRODUCER: &str = "ring/producer.rs";
const CONSUMER: &str = "ring/consumer.rs";
const GATES: &str = "gates.rs";
const JOIN: &str = "reader/join.rs";
const CHECKED: &str = "reader/checked.rs";
const CONNECT: &str = "segment/connect.rs";
const ENDPOINT: &str = "endpoint.rs";
const WAIT: &str = "wait.rs";
const HERALD: &str = "wait/herald.rs";

pub(crate) const MUTANTS: &[Mutant] = &[
    // Marks and the frontier.
    mutant(
        "touched-before-it-is-told",
        "P3 R9",
        MARK,
        &[(
            "fence(Ordering::Release); } /// A mark as a whole",
            "} /// A mark as a whole",
        )],
        Model,
        "broadcast::loom_what_was_overtaken",
    ),
    mutant(
        "overtaken-believed",
        "P3 R9",
        CONSUMER,
        &[(
            "frontier > self.cursor.saturating_add(self.shape.data_len as u64)",
            "frontier == u64::MAX",
        )],
        Whole,
        "broadcast::a_lossy_subscriber",
    ),
    mutant(
        "reach-of-the-dead-forgotten",
        "P6 R9",
        PRODUCER,
        &[(
            "stored.max(self.marked + self.shape.alignment as u64)",
            "stored.min(0) + self.marked + self.shape.alignment as u64",
        )],
        Whole,
        "places::what_a_dead_publisher",
    ),
    mutant(
        "frontier-beyond-the-slowest",
        "P4 R9",
        PRODUCER,
        &[(
            "(self.position + self.shape.step).min(most)",
            "(self.position + self.shape.step).max(most.min(0))",
        )],
        Whole,
        "places::nearly_a_lap",
    ),
    mutant(
        "mark-of-another-count",
        "R10",
        PRODUCER,
        &[(
            "let at = (self.position, self.count);",
            "let at = (self.position, self.count + 1);",
        )],
        Unit,
        "oracle::",
    ),
    mutant(
        "mark-changed-in-place",
        "R10",
        MARK,
        &[(
            "mark().position.store(POSITION_NONE, Ordering::Relaxed);",
            "",
        )],
        Model,
        "broadcast::loom_a_mark_that_changes",
    ),
    mutant(
        "torn-mark-believed",
        "R10",
        MARK,
        &[(
            "(is_whole && position != POSITION_NONE)",
            "((is_whole || !is_whole) && position != POSITION_NONE)",
        )],
        Model,
        "broadcast::loom_a_mark_that_changes",
    ),
    mutant(
        "count-of-the-dead-believed",
        "G3 R10",
        MARK,
        &[("(0..ATTEMPTS)", "(ATTEMPTS..ATTEMPTS)")],
        Unit,
        "recovery::",
    ),
    mutant(
        "frontier-without-its-mark",
        "R10",
        MARK,
        &[(
            "frontier.store(frontier, Ordering::Release)",
            "frontier.store(frontier, Ordering::Relaxed)",
        )],
        Model,
        "broadcast::loom_a_join",
    ),
    // Gates.
    mutant(
        "passed-over-in-vain",
        "P2 B1 B5",
        GATES,
        &[("&& !is_void(pages, seat, session)", "")],
        Whole,
        "broadcast::a_subscriber_that_dies",
    ),
    mutant(
        "any-position-is-a-gate",
        "G7 B1",
        GATES,
        &[(
            "gate.position <= written && written - gate.position <= capacity",
            "gate.position <= written || written.wrapping_sub(gate.position) <= capacity",
        )],
        Whole,
        "places::a_place_more_than_a_lap_behind",
    ),
    mutant(
        "durable-counts-while-it-lives",
        "P5 B1",
        GATES,
        &[(
            "let counts = is_durable ||",
            "let counts = is_durable && presence.state.load(Ordering::Relaxed) == 9 ||",
        )],
        Whole,
        "broadcast::a_durable_subscriber",
    ),
    mutant(
        "goes-by-its-own-position",
        "P1 B2",
        GATES,
        &[(
            "let limit = (slowest + capacity)",
            "let limit = (slowest.max(written) + capacity)",
        )],
        Model,
        "broadcast::loom_two_gates",
    ),
    mutant(
        "look-not-announced",
        "P1 B2",
        GATES,
        &[("reach.scan.store(scan | 1, Ordering::Relaxed);", "")],
        Model,
        "broadcast::loom_a_join",
    ),
    mutant(
        "look-without-fence",
        "P1 B2",
        GATES,
        &[("fence(Ordering::SeqCst); let slowest", "let slowest")],
        Model,
        "broadcast::loom_a_join",
    ),
    mutant(
        "half-a-look-inherited",
        "P6 B3",
        GATES,
        &[(
            "let is_settled = scan.is_multiple_of(2);",
            "let is_settled = scan < u32::MAX;",
        )],
        Model,
        "broadcast::loom_a_look_that_death",
    ),
    mutant(
        "join-without-fence",
        "P1 B3",
        GATES,
        &[(
            "// Pairs with the fence in `look`. fence(Ordering::SeqCst);",
            "",
        )],
        Model,
        "broadcast::loom_a_join",
    ),
    mutant(
        "join-that-waits-for-no-look",
        "P1 B3",
        GATES,
        &[(
            "if reach.scan.load(Ordering::Acquire) % 2 == 1 {",
            "if reach.scan.load(Ordering::Acquire) == u32::MAX {",
        )],
        Model,
        "broadcast::loom_a_join",
    ),
    mutant(
        "join-that-comes-too-late",
        "P1 B3",
        GATES,
        &[(
            "limit <= position.saturating_add(shape.capacity)",
            "limit < u64::MAX",
        )],
        Model,
        "broadcast::loom_a_join",
    ),
    mutant(
        "look-waited-for-without-end",
        "G7 B3",
        JOIN,
        &[(
            "(Instant::now).elapsed() > PATIENCE {",
            "(Instant::now).elapsed() > PATIENCE * 1000 {",
        )],
        Whole,
        "places::a_look_without_end",
    ),
    mutant(
        "one-message-early",
        "P1 B4",
        JOIN,
        &[(
            "while self.consumer.count() < count {",
            "while self.consumer.count() + 1 < count {",
        )],
        Whole,
        "broadcast::where_a_subscriber_starts",
    ),
    mutant(
        "the-dead-are-waited-for",
        "P2 B5",
        ENDPOINT,
        &[("(evicts || is_dead())", "(evicts || is_dead() && evicts)")],
        Whole,
        "broadcast::a_subscriber_that_dies",
    ),
    mutant(
        "passed-over-for-ever",
        "P4 B5",
        JOIN,
        &[(
            "let session = session.wrapping_add(1);",
            "let session = session.wrapping_add(0);",
        )],
        Whole,
        "broadcast::a_slow_subscriber",
    ),
    mutant(
        "durable-place-given-away",
        "P5 B6",
        CONNECT,
        &[(
            "presence(seat).stance.load(Ordering::Acquire) == STANCE_DURABLE",
            "presence(seat).stance.load(Ordering::Acquire) == STANCE_DURABLE + 9",
        )],
        Whole,
        "broadcast::a_durable_subscriber",
    ),
    mutant(
        "durable-before-it-holds",
        "P5 B6",
        GATES,
        &[(
            "(stance == STANCE_DURABLE).then_some(STANCE_GATING)",
            "(stance > STANCE_DURABLE).then_some(STANCE_GATING)",
        )],
        Model,
        "broadcast::loom_a_place_is_durable",
    ),
    mutant(
        "overtaken-on-the-way",
        "P3 B7",
        JOIN,
        &[(
            "if self.is_checked() && self.consumer.is_overtaken() { return Ok(false); }",
            "",
        )],
        Whole,
        "places::who_is_overtaken",
    ),
    mutant(
        "judged-only-when-odd",
        "P3 B7",
        CONSUMER,
        &[(
            "if self.is_overtaken() {",
            "if found.is_err() && self.is_overtaken() {",
        )],
        Whole,
        "broadcast::a_lossy_subscriber",
    ),
    mutant(
        "one-more-is-missed",
        "P3 B7",
        CHECKED,
        &[(
            "self.consumer.count().saturating_sub(before)",
            "self.consumer.count().saturating_sub(before) + 1",
        )],
        Whole,
        "broadcast::a_lossy_subscriber",
    ),
    mutant(
        "closed-with-messages-lent",
        "P1 B8",
        ENDPOINT,
        &[(
            "if !self.is_subscriber() { self.store_closed();",
            "if self.closing.load(Ordering::SeqCst) { self.store_closed();",
        )],
        Whole,
        "places::what_is_lent_holds",
    ),
    mutant(
        "durable-messages-removed",
        "P5 B9",
        ENDPOINT,
        &[(
            "true => matches!(self.segment.undelivered(), Ok((0, _))),",
            "true => true,",
        )],
        Whole,
        "broadcast::a_durable_subscriber",
    ),
    mutant(
        "broadcast-name-left",
        "G4 B9",
        ENDPOINT,
        &[(
            "true => matches!(self.segment.undelivered(), Ok((0, _))),",
            "true => false,",
        )],
        Whole,
        "broadcast::kinds_and_seats",
    ),
    // Sleeping.
    mutant(
        "epoch-not-told",
        "G9 B10",
        WAIT,
        &[("epoch.fetch_add(1, Ordering::Release);", "let _ = epoch;")],
        Model,
        "wait::herald",
    ),
    mutant(
        "epoch-answered-too-early",
        "G9 B10",
        HERALD,
        &[("is_done = false;", "")],
        Model,
        "wait::herald",
    ),
    mutant(
        "herald-without-fence",
        "G9 B10",
        HERALD,
        &[("if self.fences {", "if !self.fences {")],
        Model,
        "wait::herald",
    ),
    mutant(
        "first-sleeper-alone-woken",
        "G9 B10",
        HERALD,
        &[(
            "seats(pages).zip(&mut self.answered)",
            "seats(pages).take(1).zip(&mut self.answered)",
        )],
        Model,
        "wait::herald",
    ),
    mutant(
        "the-absent-end-each-sleep",
        "G9",
        ENDPOINT,
        &[(
            "!self.is_publisher() && self.peer().presence.0.state.load(Ordering::Acquire)",
            "self.peer().presence.0.state.load(Ordering::Acquire)",
        )],
        Whole,
        "places::a_publisher_that_waits",
    ),
];
