//! The mutants: what is broken, which guarantee or invariant goes with it, and who must notice.
//!
//! R and W numbers are those of `docs/spec/ring.md` and `wake.md`. Those of rings that several read are in `several`, those of
//! inboxes, queues and services in `registry`.

/// Which tests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suite {
    /// The model checker.
    Model,
    /// The unit tests.
    Unit,
    /// `tests/it`.
    Whole,
}

pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) guards: &'static str,
    /// Under `src`.
    pub(crate) file: &'static str,
    /// What to change into what; white space does not count.
    pub(crate) edits: &'static [(&'static str, &'static str)],
    pub(crate) suite: Suite,
    /// A part of the names of the tests that must fail.
    pub(crate) caught_by: &'static str,
}

pub(crate) const fn mutant(
    name: &'static str,
    guards: &'static str,
    file: &'static str,
    edits: &'static [(&'static str, &'static str)],
    suite: Suite,
    caught_by: &'static str,
) -> Mutant {
    Mutant {
        name,
        guards,
        file,
        edits,
        suite,
        caught_by,
    }
}

use Suite::{Model, Unit, Whole};

const PRODUCER: &str = "ring/producer.rs";
const CONSUMER: &str = "ring/consumer.rs";
const WAIT: &str = "wait.rs";
const BELL: &str = "wait/bell.rs";
const ENDPOINT: &str = "endpoint.rs";
const PRESENCE: &str = "segment/presence.rs";
const UNIX: &str = "os/unix.rs";
const FORK: &str = "os/unix/fork.rs";
const LINUX: &str = "os/linux.rs";
const BUILD: &str = "os/linux/build.rs";
const MEMORY: &str = "os/linux/memory.rs";
const GROUP: &str = "os/linux/group.rs";

pub(crate) const MUTANTS: &[Mutant] = &[
    // Orderings of the ring.
    mutant(
        "publish-relaxed",
        "G1 R3",
        PRODUCER,
        &[(
            "store(first, Ordering::Release)",
            "store(first, Ordering::Relaxed)",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "observe-relaxed",
        "G1 R3",
        CONSUMER,
        &[(
            "let header = self.header();",
            "let header = self.memory.header(self.header_offset()).load(Ordering::Relaxed);",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "release-relaxed",
        "G2 R8",
        CONSUMER,
        &[(
            "store(position, Ordering::Release)",
            "store(position, Ordering::Relaxed)",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "reclaim-relaxed",
        "G2 R8",
        "ring/memory.rs",
        &[(
            "self.position(Role::Reader).load(Ordering::Acquire)",
            "self.position(Role::Reader).load(Ordering::Relaxed)",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "position-relaxed",
        "G7 R6",
        PRODUCER,
        &[(
            "store(self.position, Ordering::Release)",
            "store(self.position, Ordering::Relaxed)",
        )],
        Model,
        "ring::",
    ),
    // Order of the stores of the ring.
    mutant(
        "terminator-missing",
        "G1 R3",
        PRODUCER,
        &[(
            "store(NOT_COMMITTED, Ordering::Relaxed)",
            "load(Ordering::Relaxed)",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "terminator-late",
        "G1 R3",
        PRODUCER,
        &[
            (
                "store(NOT_COMMITTED, Ordering::Relaxed)",
                "load(Ordering::Relaxed)",
            ),
            (
                "self.advance(position);",
                "self.advance(position); self.header().store(NOT_COMMITTED, Ordering::Relaxed);",
            ),
        ],
        Model,
        "ring::",
    ),
    mutant(
        "terminator-late-and-death",
        "G3 R3",
        PRODUCER,
        &[
            (
                "store(NOT_COMMITTED, Ordering::Relaxed)",
                "load(Ordering::Relaxed)",
            ),
            (
                "self.advance(position);",
                "self.advance(position); self.header().store(NOT_COMMITTED, Ordering::Relaxed);",
            ),
        ],
        Unit,
        "recovery::",
    ),
    mutant(
        "position-first",
        "G7 R6",
        PRODUCER,
        &[(
            "self.header().store(first, Ordering::Release);",
            "self.memory.position(Role::Writer).store(position, Ordering::Release);
             self.header().store(first, Ordering::Release);",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "batch-seen-early",
        "G1 R5",
        PRODUCER,
        &[(
            "stage.first = Some(word);",
            "stage.first = Some(word); self.header().store(word, Ordering::Release);",
        )],
        Model,
        "ring::",
    ),
    mutant(
        "full-is-not-full",
        "G2 R4",
        PRODUCER,
        &[("let fits = end <= gate;", "let fits = end <= gate + 8;")],
        Unit,
        "oracle::",
    ),
    mutant(
        "short-is-not-full",
        "G2 R4",
        PRODUCER,
        &[(
            "len <= self.shape.max_len && self.position + stride as u64 <= self.limit",
            "len <= self.shape.max_len && self.position + stride as u64 <= self.limit + 8",
        )],
        Unit,
        "oracle::",
    ),
    mutant(
        "no-walk",
        "G3 R7",
        PRODUCER,
        &[(
            "if commit_word(found) == 0 {",
            "if commit_word(found) != 1 {",
        )],
        Unit,
        "recovery::",
    ),
    mutant(
        "reader-starts-at-the-writer",
        "G3",
        CONSUMER,
        &[(
            "let read = memory.position(Role::Reader).load(Ordering::Acquire);",
            "let read = memory.position(Role::Writer).load(Ordering::Acquire);",
        )],
        Whole,
        "closing::undelivered_messages_keep_the_name",
    ),
    // Sleeping and waking.
    mutant(
        "publisher-fence-missing",
        "G9 W3",
        WAIT,
        &[(
            "if self.fences { fence(Ordering::SeqCst); } else {",
            "if !self.fences {",
        )],
        Model,
        "wait::",
    ),
    mutant(
        "sleeper-fence-missing",
        "G9 W3",
        WAIT,
        &[(
            "fence(Ordering::SeqCst); let relies_on_barrier",
            "let relies_on_barrier",
        )],
        Model,
        "wait::",
    ),
    mutant(
        "barrier-not-issued",
        "G9 W3",
        WAIT,
        &[("|| barrier::issue();", "|| relies_on_barrier;")],
        Model,
        "wait::",
    ),
    mutant(
        "barrier-refusal-overlooked",
        "G9 W4",
        WAIT,
        &[("SLICE_UNRELIABLE };", "SLICE };")],
        Model,
        "wait::",
    ),
    mutant(
        "barrier-announced-without-fence",
        "G9 W4",
        WAIT,
        &[(
            "fence(Ordering::SeqCst); Self { answered: 0,",
            "Self { answered: 0,",
        )],
        Model,
        "wait::",
    ),
    mutant(
        "count-after-the-look",
        "G9 W2",
        WAIT,
        &[(
            "let mut is_ready = ready();",
            "let mut is_ready = ready(); let count = peer.wake.0.load(Ordering::Acquire);",
        )],
        Model,
        "wait::",
    ),
    mutant(
        "ticket-reused",
        "G9 W5",
        WAIT,
        &[(
            "store(ticket.wrapping_add(1), Ordering::Release)",
            "store(ticket & !1, Ordering::Release)",
        )],
        Model,
        "wait::",
    ),
    mutant(
        "ticket-inherited",
        "G3 W5",
        WAIT,
        &[("(ticket | 1).wrapping_add(1)", "ticket & !1")],
        Model,
        "wait::",
    ),
    mutant(
        "wanted-after-the-look",
        "G9 W3",
        WAIT,
        &[
            ("words.wanted.store(wanted, Ordering::Relaxed);", ""),
            (
                "let mut is_ready = ready();",
                "let mut is_ready = ready(); words.wanted.store(wanted, Ordering::Relaxed);",
            ),
        ],
        Model,
        "wait::",
    ),
    mutant(
        "wake-not-counted",
        "G9 W2",
        WAIT,
        &[(
            "own.wake.0.load(Ordering::Relaxed).wrapping_add(1)",
            "own.wake.0.load(Ordering::Relaxed)",
        )],
        Model,
        "wait::",
    ),
    mutant(
        "never-sleeps",
        "G9",
        WAIT,
        &[(
            "signal.sleep(&peer.wake.0, count, timeout.min(slice));",
            "let _ = (signal, count, timeout.min(slice));",
        )],
        Whole,
        "idle::a_blocked_side_uses_no_processor",
    ),
    mutant(
        "wakes-whoever-is-awake",
        "G9",
        WAIT,
        &[
            (
                "(ticket % 2 == 1).then_some(ticket)",
                "(ticket < u32::MAX).then_some(ticket)",
            ),
            ("if ticket == self.answered || reached", "if reached"),
        ],
        Whole,
        "idle::a_stream_makes_no_system_call",
    ),
    // What is read from shared memory.
    mutant(
        "length-trusted",
        "G7 R2",
        CONSUMER,
        &[("if len > self.shape.max_len {", "if len == usize::MAX {")],
        Unit,
        "hostile::",
    ),
    mutant(
        "read-position-trusted",
        "G7 R4",
        "ring/memory.rs",
        &[(
            "(read <= written && written - read <= capacity).then(|| read + capacity)",
            "Some(read.saturating_add(capacity))",
        )],
        Unit,
        "hostile::",
    ),
    mutant(
        "write-position-trusted",
        "G7 R6",
        CONSUMER,
        &[(
            "if written > POSITION_MAX || written",
            "if written == u64::MAX && written",
        )],
        Unit,
        "hostile::",
    ),
    mutant(
        "walk-without-end",
        "G7",
        PRODUCER,
        &[("> stored + shape.capacity {", "> u64::MAX - 1 {")],
        Unit,
        "meddled::",
    ),
    mutant(
        "lost-header-waited-for",
        "G7 R6",
        CONSUMER,
        &[(
            "if written > self.cursor && commit_word",
            "if written == u64::MAX && commit_word",
        )],
        Whole,
        "hostile::a_damaged_record",
    ),
    mutant(
        "header-without-checksum",
        "G7",
        "layout/header.rs",
        &[(
            "if u64_at(CHECKSUM) != hash(&bytes[..CHECKSUM]) {",
            "if false {",
        )],
        Whole,
        "hostile::every_header_field",
    ),
    mutant(
        "size-unchecked",
        "G7",
        "layout/header.rs",
        &[(
            "if segment_len != geometry.segment_len() as u64 {",
            "if segment_len == 0 {",
        )],
        Whole,
        "hostile::a_segment_of_another_size",
    ),
    mutant(
        "reserved-trusted",
        "G7",
        "layout/header.rs",
        &[("|| has_stray(&bytes[104..128])", "")],
        Whole,
        "sweeps::every_header_field",
    ),
    mutant(
        "guard-missing",
        "G7",
        UNIX,
        &[
            (
                "let guard = granularity(); // SAFETY: a fresh",
                "let guard = 0; // SAFETY: a fresh",
            ),
            (
                "let guard = granularity(); // SAFETY: exactly",
                "let guard = 0; // SAFETY: exactly",
            ),
        ],
        Whole,
        "guards::",
    ),
    mutant(
        "peer-looked-at-without-end",
        "G7",
        PRESENCE,
        &[("for _ in 0..LOOKS {", "for _ in 0..u64::MAX {")],
        Whole,
        "storm::a_peer_that_comes_and_goes",
    ),
    mutant(
        "fresh-for-the-reader-alone",
        "G7",
        "segment.rs",
        &[(
            "Producer::resume(memory(Seat::WRITER), shape)?;",
            "let _ = Producer::resume(memory(Seat::WRITER), shape);",
        )],
        Whole,
        "hostile::fresh_goes_over",
    ),
    // Memory.
    mutant(
        "no-mirror",
        "G2",
        UNIX,
        &[(
            "place(once, data_len, data_offset)?;",
            "place(once, data_len, 0)?;",
        )],
        Whole,
        "channel::a_message_may_be_as_large",
    ),
    mutant(
        "memory-not-reserved",
        "G6",
        MEMORY,
        &[(
            "libc::fallocate(file.as_raw_fd(), 0, at as libc::off_t, piece as libc::off_t)",
            "libc::ftruncate(file.as_raw_fd(), (at + piece) as libc::off_t)",
        )],
        Whole,
        "memory::",
    ),
    mutant(
        "mapping-leaked",
        "G6",
        "os/mod.rs",
        &[(
            "(self.unmap)(self.base, &self.geometry);",
            "let _ = (self.unmap, &self.geometry);",
        )],
        Whole,
        "resources::thousands",
    ),
    mutant(
        "descriptor-leaked",
        "G6",
        FORK,
        &[("self.marked.close();", "")],
        Whole,
        "resources::thousands",
    ),
    mutant(
        "unopened-name-left",
        "G6",
        LINUX,
        &[(".inspect_err(|_| self.withdraw(file.as_raw_fd()))", "")],
        Whole,
        "limits::without_descriptors",
    ),
    mutant(
        "unmapped-name-left",
        "G6",
        "segment.rs",
        &[(
            "if is_new { object.withdraw(&place, wanted.seats()); }",
            "let _ = is_new;",
        )],
        Whole,
        "limits::without_address_space",
    ),
    mutant(
        "exec-inherits",
        "G4",
        LINUX,
        &[(
            "access | libc::O_CLOEXEC | libc::O_NOFOLLOW",
            "access | libc::O_NOFOLLOW",
        )],
        Whole,
        "resources::a_",
    ),
    // Leases.
    mutant(
        "lease-releases-those-before-it",
        "G2",
        "reader/lease.rs",
        &[(
            "&& entry.fate == Fate::Released {",
            "&& entry.fate != Fate::Kept {",
        )],
        Whole,
        "leases::held",
    ),
    mutant(
        "lease-wakes-nobody",
        "G9",
        "reader/lease.rs",
        &[(
            "book.waker.notify(own, peer, self.endpoint.own_signal(), reached);",
            "let _ = (own, peer);",
        )],
        Whole,
        "leases::a_release_elsewhere",
    ),
    mutant(
        "lease-outlives-its-role",
        "G5",
        "reader/lease.rs",
        &[(
            "if !book.is_settled() { return; } let is_empty",
            "let is_empty",
        )],
        Whole,
        "leases::a_reader_that_closes",
    ),
    mutant(
        "child-releases-its-parents-lease",
        "G10",
        "reader/lease.rs",
        &[(
            "that this process lacks. if self.endpoint.is_inherited() { return; } let mut book",
            "that this process lacks.\n let mut book",
        )],
        Whole,
        "forking::",
    ),
    // Death and closing.
    mutant(
        "death-unnoticed",
        "G4",
        PRESENCE,
        &[("return PeerState::Died;", "return PeerState::Attached;")],
        Whole,
        "death::a_blocked_reader_is_told",
    ),
    mutant(
        "closed-like-dead",
        "G4",
        ENDPOINT,
        &[(
            "own.presence.0.state.store(STATE_CLOSED, Ordering::Release);",
            "",
        )],
        Whole,
        "closing::",
    ),
    mutant(
        "name-left-behind",
        "G4",
        ENDPOINT,
        &[(
            "false => drained(), }); }",
            "false => drained() && !is_broadcast && false, }); }",
        )],
        Whole,
        "closing::the_last_side_out",
    ),
    mutant(
        "undelivered-removed",
        "G3",
        LINUX,
        &[("if agreed() {", "if agreed() || true {")],
        Whole,
        "closing::undelivered",
    ),
    mutant(
        "panic-leaves-it-waiting",
        "G4",
        ENDPOINT,
        &[(
            "let _waiting = self.begin_waiting()?; self.wait_alone(wait, check)",
            "std::mem::forget(self.begin_waiting()?); let result = self.wait_alone(wait, check); drop(Waiting(&self.waiting)); result",
        )],
        Whole,
        "waiting::a_check_that_panics",
    ),
    mutant(
        "removal-unnoticed",
        "G4",
        ENDPOINT,
        &[(
            "!self.segment.is_named() && !self.segment.is_held(self.facing())",
            "false",
        )],
        Whole,
        "successors::removed::a_writer_is_told",
    ),
    mutant(
        "successor-missed-that-has-gone",
        "G3",
        "endpoint/arrival.rs",
        &[(
            "self.peer_session() != self.known_session.load(Ordering::Relaxed) || self.peer_state()?",
            "self.peer_state()?",
        )],
        Whole,
        "successors::a_successor_that_has_come_and_gone",
    ),
    mutant(
        "spins-in-vain",
        "G9",
        "endpoint/spin.rs",
        &[(
            "self.rest.store(waits, Ordering::Relaxed);",
            "let _ = waits;",
        )],
        Whole,
        "idle::sides_on_one_processor",
    ),
    // Roles and owners.
    mutant(
        "role-not-locked",
        "G5",
        LINUX,
        &[(
            "lock(self.lock.raw(), libc::F_WRLCK, lock_byte(seat), 1)",
            "lock(self.lock.raw(), libc::F_RDLCK, lock_byte(seat), 1)",
        )],
        Whole,
        "roles::",
    ),
    mutant(
        "any-owner-always",
        "G8",
        UNIX,
        &[("if owner == user {", "if owner == user || owner != user {")],
        Whole,
        "owners::",
    ),
    mutant(
        "mode-ignored",
        "G8",
        BUILD,
        &[(
            "libc::fchmod(fd, plan.mode)",
            "libc::fchmod(fd, plan.mode | 0o044)",
        )],
        Whole,
        "owners::the_mode",
    ),
    mutant(
        "links-followed",
        "G8",
        LINUX,
        &[("libc::O_CLOEXEC | libc::O_NOFOLLOW |", "libc::O_CLOEXEC |")],
        Whole,
        "owners::a_symbolic_link",
    ),
    // Descriptors that somebody else closes.
    mutant(
        "number-trusted",
        "G10",
        FORK,
        &[(
            "if self.is_ours() { // SAFETY: open and ours",
            "if true { // SAFETY: open and ours",
        )],
        Whole,
        "descriptors::",
    ),
    mutant(
        "role-goes-with-its-number",
        "G5",
        LINUX,
        &[("*self.pin() = Pin::new(self.lock.raw());", "")],
        Whole,
        "descriptors::a_process",
    ),
    mutant(
        "lost-lock-unnoticed",
        "G4",
        LINUX,
        &[(
            "if self.lock.is_ours() { Ok(()) }",
            "if self.lock.is_ours() || true { Ok(()) }",
        )],
        Whole,
        "descriptors::a_process",
    ),
    mutant(
        "number-of-a-stream",
        "G7",
        FORK,
        &[(
            "if fd.as_raw_fd() > libc::STDERR_FILENO {",
            "if fd.as_raw_fd() >= 0 {",
        )],
        Whole,
        "descriptors::no_endpoint",
    ),
    mutant(
        "two-descriptors",
        "resources",
        LINUX,
        &[("self.file = None;", "")],
        Whole,
        "descriptors::an_endpoint",
    ),
    // Memory, and systems that refuse things.
    mutant(
        "group-unasked",
        "G6",
        GROUP,
        &[(
            ".min_by_key(|short| short.available) }",
            ".find(|_| false) }",
        )],
        Whole,
        "memory::a_group",
    ),
    mutant(
        "interrupted-for-ever",
        "G6",
        MEMORY,
        &[(
            "libc::EINTR | libc::EOPNOTSUPP | libc::ENOSYS => fill(",
            "libc::EINTR => take(file, at, piece, len), libc::EOPNOTSUPP | libc::ENOSYS => fill(",
        )],
        Whole,
        "sandboxes::a_sandbox_with",
    ),
    mutant(
        "no-limit-is-no-room",
        "G6",
        MEMORY,
        &[(
            "(found.f_blocks > 0).then(||",
            "Some(())\n            .map(|()|",
        )],
        Whole,
        "sandboxes::a_shm_of",
    ),
    mutant(
        "private-name-left",
        "G6",
        BUILD,
        &[("if !self.has_name { unlink(&self.path); }", "")],
        Whole,
        "sandboxes::",
    ),
    // Fork.
    mutant(
        "fork-unnoticed",
        "G10",
        ENDPOINT,
        &[(
            "self.generation != fork::generation()",
            "self.generation == u32::MAX",
        )],
        Whole,
        "forking::an_inherited",
    ),
    mutant(
        "child-keeps-the-lock",
        "G10",
        FORK,
        &[(
            "list.drain(..) { marked.close();",
            "list.drain(..) { let _ = marked;",
        )],
        Whole,
        "forking::a_parent_whose_child",
    ),
    mutant(
        "child-writes-for-its-parent",
        "G10",
        "writer.rs",
        &[(
            "!self.endpoint.is_inherited() && self.producer.push_short(data, tag)",
            "self.producer.push_short(data, tag)",
        )],
        Whole,
        "forking::an_inherited",
    ),
    mutant(
        "child-commits-for-its-parent",
        "G10",
        "writer/slot.rs",
        &[(
            "if self.writer.endpoint.is_inherited() { return; } let before",
            "let before",
        )],
        Whole,
        "forking::an_inherited",
    ),
    mutant(
        "child-releases-for-its-parent",
        "G10",
        "reader.rs",
        &[("if self.endpoint.is_inherited() { return; }", "")],
        Whole,
        "forking::an_inherited",
    ),
    // Sleeping for many.
    mutant(
        "ring-word-first",
        "G9 W6",
        BELL,
        &[
            ("word.fetch_or(1 << (slot % 64), Ordering::Relaxed);", ""),
            (
                "signal.wake(&bell.bell.0);",
                "signal.wake(&bell.bell.0); word.fetch_or(1 << (slot % 64), Ordering::Relaxed);",
            ),
        ],
        Model,
        "wait::bell::",
    ),
    mutant(
        "ring-relaxed",
        "G9 W6",
        BELL,
        &[(
            "bell.bell.0.fetch_add(1, Ordering::Release);",
            "bell.bell.0.fetch_add(1, Ordering::Relaxed);",
        )],
        Model,
        "wait::bell::",
    ),
    mutant(
        "bits-before-the-word",
        "G9 W7",
        "selector.rs",
        &[(
            "let heard = bell::heard(self.bell.commons()); self.heard = heard; self.table.hear();",
            "self.table.hear(); let heard = bell::heard(self.bell.commons()); self.heard = heard;",
        )],
        Whole,
        "selector::each_message_on_one_of_many",
    ),
    mutant(
        "announced-once-for-all",
        "G9 W8",
        "selector/table.rs",
        &[(
            "if let Some(Some(entry)) = self.entries.get_mut(slot) { entry.is_announced = false; }",
            "",
        )],
        Whole,
        "selector::",
    ),
    mutant(
        "found-and-forgotten",
        "G9 W8",
        "selector/table.rs",
        &[(
            "self.point.withdraw(); self.is_announced = false;",
            "self.point.withdraw();",
        )],
        Whole,
        "selector::",
    ),
    mutant(
        "announced-without-a-barrier",
        "G9 W3",
        BELL,
        &[(
            "fence(Ordering::SeqCst); // Asked behind the fence: see \"A publisher attaches meanwhile\" in the spec. !relies() || barrier::issue()",
            "let _ = relies; true",
        )],
        Model,
        "wait::bell::",
    ),
    mutant(
        "ticket-used-twice",
        "G9 W5",
        BELL,
        &[(
            "words.ticket.load(Ordering::Relaxed).wrapping_add(1) | 1",
            "words.ticket.load(Ordering::Relaxed) | 1",
        )],
        Model,
        "wait::bell::",
    ),
    mutant(
        "close-does-not-ring",
        "G4",
        WAIT,
        &[(
            "if peer.sleep.0.ticket.load(Ordering::Acquire) % 2 == 1 { ring(own, peer, caller); }",
            "let _ = peer;",
        )],
        Model,
        "wait::bell::loom_a_close",
    ),
    mutant(
        "unrung-in-silence",
        "G9 W9",
        WAIT,
        &[("unrung.store(count, Ordering::Relaxed);", "let _ = count;")],
        Whole,
        "selector::a_bell_that_cannot_be_rung",
    ),
    mutant(
        "one-death-for-one-channel",
        "G4",
        "selector/table.rs",
        &[(
            "let is_doubtful = died.contains(&other.peer);",
            "let is_doubtful = false;",
        )],
        Whole,
        "selector::the_death_of_a_process",
    ),
    mutant(
        "a-call-that-blocks-keeps-silent",
        "G9",
        ENDPOINT,
        &[("self.0.tell_watch();", "")],
        Whole,
        "selector::a_call_that_blocks",
    ),
    mutant(
        "a-bell-outlives-its-process",
        "G3",
        "segment/bell.rs",
        &[(
            "if is_dead { object.remove_if_alone(place, 1, || true); }",
            "",
        )],
        Whole,
        "selector::a_process_killed",
    ),
];
