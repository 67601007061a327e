//! What is done to a channel, one instruction at a time.

use super::message::filling;
use super::scenario::{Change, Crowd, Part, Peer, Scenario};
use super::{actor, company, several};

/// Every scenario; `docs/testing.md` lists them with their figures.
pub(super) fn all() -> Vec<Scenario> {
    use Change::{Commits, Discards, Nothing, Releases};
    let full = filling(actor::capacity());
    let new = Scenario::new;
    vec![
        new("write", 3, Commits(1), actor::write),
        new("reserve-commit", 3, Commits(1), actor::reserve_commit),
        new("reserve-abort", 3, Nothing, actor::reserve_abort),
        new("batch", 3, Commits(3), actor::batch),
        new(
            "write-across-the-end",
            2,
            Commits(1),
            actor::write_across_the_end,
        ),
        new(
            "write-into-the-last-room",
            full - 1,
            Commits(1),
            actor::write_into_the_last_room,
        ),
        new("write-wakes-reader", 0, Commits(1), actor::write_first).peer(Peer::SleepingReader),
        new("batch-wakes-reader", 0, Commits(3), actor::batch_first).peer(Peer::SleepingReader),
        new("write-waits", full, Nothing, actor::write_waits).peer(Peer::Reader),
        new("read-release", 3, Releases(1), actor::read_release).peer(Peer::Writer),
        new(
            "read-releases-writer",
            full,
            Releases(1),
            actor::read_release,
        )
        .peer(Peer::BlockedWriter),
        new("lease", 3, Nothing, actor::lease).peer(Peer::Writer),
        new("leases-release", 3, Releases(2), actor::leases_release).peer(Peer::Writer),
        new(
            "lease-releases-writer",
            full,
            Releases(1),
            actor::lease_release,
        )
        .peer(Peer::BlockedWriter),
        new(
            "close-reader-with-lease",
            3,
            Releases(1),
            actor::close_reader_with_lease,
        )
        .peer(Peer::Writer),
        new("read-waits", 0, Nothing, actor::read_waits).peer(Peer::Writer),
        new("create", 0, Nothing, actor::create).may_be_absent(),
        new("create-continues", 3, Nothing, actor::create).after(actor::die_committed),
        new("create-recovers-batch", 4, Nothing, actor::create).after(actor::die_in_batch),
        new("create-fresh", 3, Discards, actor::create_fresh)
            .after(actor::die_committed)
            .may_be_absent(),
        new("create-replaces", 0, Nothing, actor::create_larger)
            .after(actor::die_empty)
            .may_be_absent(),
        new("connect", 3, Nothing, actor::connect).peer(Peer::Writer),
        new("connect-after-sleeper", 3, Nothing, actor::connect)
            .peer(Peer::Writer)
            .after(actor::die_asleep),
        new("close-writer", 3, Nothing, actor::close_writer),
        new(
            "close-writer-drained",
            0,
            Nothing,
            actor::close_writer_drained,
        )
        .may_be_absent(),
        new(
            "close-writer-wakes",
            0,
            Nothing,
            actor::close_writer_at_once,
        )
        .peer(Peer::SleepingReader),
        new("close-reader", 3, Nothing, actor::close_reader).peer(Peer::Writer),
        new("close-reader-releases", full, Nothing, actor::close_reader).peer(Peer::BlockedWriter),
        new(
            "close-reader-drained",
            0,
            Nothing,
            actor::close_reader_drained,
        )
        .may_be_absent(),
    ]
    .into_iter()
    .chain(of_several(full))
    .chain(of_company())
    .collect()
}

/// Those of broadcasts.
fn of_several(full: u32) -> Vec<Scenario> {
    use Change::{Commits, Nothing, Releases};
    use Crowd::{Nobody, Publisher, PublisherThatEvicts, Subscriber};
    use several::actor;
    let new = Scenario::new;
    let lapped = 3 * full;
    vec![
        new("publish", 3, Commits(1), actor::publish).among(Publisher),
        new("publish-looks", 24, Commits(1), actor::publish_looks).among(Publisher),
        new("publish-marks", full, Commits(1), actor::publish_marks).among(Nobody),
        new("publish-batch", 23, Commits(3), actor::publish_batch).among(Publisher),
        new("publish-reserved", 3, Nothing, actor::publish_reserved).among(Publisher),
        new(
            "publish-past-the-dead",
            full,
            Commits(1),
            actor::publish_past_the_dead,
        )
        .among(Nobody)
        .after(actor::die_full)
        .keeps_time(),
        new("publish-evicts", full, Commits(1), actor::publish_evicts)
            .among(PublisherThatEvicts)
            .keeps_time(),
        new("publisher-continues", 3, Nothing, actor::create)
            .among(Nobody)
            .after(actor::die_looking),
        new("close-publisher", 3, Nothing, actor::close_publisher).among(Publisher),
        new("join", 3, Nothing, actor::join).among(Subscriber),
        new("join-oldest", 3, Nothing, actor::join_oldest).among(Subscriber),
        new("join-durable", 3, Nothing, actor::join_durable).among(Subscriber),
        new("durable-resumes", 3, Nothing, actor::join_durable)
            .among(Subscriber)
            .after(actor::die_durable),
        new("subscriber-releases", 3, Nothing, actor::read_release).among(Subscriber),
        new(
            "durable-releases",
            3,
            Releases(1),
            actor::read_release_durable,
        )
        .among(Subscriber),
        new("leave", 3, Nothing, actor::leave).among(Subscriber),
        new("leave-durable", 3, Nothing, actor::leave_durable).among(Subscriber),
        new("unsubscribe", 3, Nothing, actor::unsubscribe).among(Subscriber),
        new("lossy-falls-behind", lapped, Nothing, actor::fall_behind).among(Subscriber),
    ]
}

/// Those of inboxes, queues and services.
fn of_company() -> Vec<Scenario> {
    use Change::{Commits, Nothing, Releases};
    use Part::{Client, Dealer, Inbox, Sender, Server, Worker};
    use company::actor;
    let new = Scenario::new;
    vec![
        new("sender-joins", 0, Nothing, actor::sender_joins).part(Sender),
        new("sender-writes", 3, Commits(1), actor::sender_writes).part(Sender),
        new("sender-leaves", 3, Nothing, actor::sender_leaves).part(Sender),
        new("inbox-comes", 3, Nothing, actor::inbox_comes).part(Inbox),
        new("inbox-reads", 3, Releases(1), actor::inbox_reads).part(Inbox),
        new("inbox-closes", 3, Nothing, actor::inbox_closes).part(Inbox),
        new("dealer-begins", 0, Commits(1), actor::dealer_begins).part(Dealer),
        new("dealer-deals", 3, Commits(1), actor::dealer_deals).part(Dealer),
        new("dealer-closes", 3, Nothing, actor::dealer_closes).part(Dealer),
        new("worker-joins", 0, Nothing, actor::worker_joins).part(Worker),
        new("worker-works", 3, Releases(1), actor::worker_works).part(Worker),
        new("worker-leaves", 3, Nothing, actor::worker_leaves).part(Worker),
        new("server-comes", 0, Nothing, actor::server_comes).part(Server),
        new("server-answers", 1, Releases(1), actor::server_answers).part(Server),
        new("server-closes", 0, Nothing, actor::server_closes).part(Server),
        new("client-joins", 0, Nothing, actor::client_joins).part(Client),
        new("client-calls", 0, Commits(1), actor::client_calls).part(Client),
        new("client-gives-up", 1, Releases(1), actor::client_gives_up).part(Client),
    ]
}
