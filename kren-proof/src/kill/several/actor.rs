//! What the killed processes do that publish to several, or are one of them.

use super::super::actor::{capacity, die, path, poke, put_all, stand_back};
use super::super::message::{filling, message};
use super::super::scenario::Crowd;
use super::super::trace::{begin, end};
use super::{DURABLE, patience, publisher};
use crate::format::role;
use kren_core::{Error, KrenPublisher, KrenSubscriber, Start};

fn open(channel: &str, prepared: u32) -> KrenPublisher {
    let mut publisher = publisher(channel, Crowd::Publisher).unwrap();
    put_all(&mut publisher, 0..prepared);
    publisher
}

fn publish_one(publisher: &mut KrenPublisher, at: u32) {
    let (tag, data) = message(at);
    begin();
    publisher.write_tagged(tag, &data).unwrap();
    end();
}

pub(in super::super) fn publish(channel: &str) {
    publish_one(&mut open(channel, 3), 3);
}

/// A look at the gates: what the last one allowed is used up.
pub(in super::super) fn publish_looks(channel: &str) {
    publish_one(&mut open(channel, 24), 24);
}

/// A look and a mark, with nobody there.
pub(in super::super) fn publish_marks(channel: &str) {
    let full = filling(capacity());
    publish_one(&mut open(channel, full), full);
}

pub(in super::super) fn publish_batch(channel: &str) {
    let mut publisher = open(channel, 23);
    let messages = [message(23), message(24), message(25)];
    begin();
    let mut batch = publisher.batch();
    for (tag, data) in &messages {
        batch.push_tagged(*tag, data).unwrap();
    }
    batch.commit();
    end();
}

pub(in super::super) fn publish_reserved(channel: &str) {
    let mut publisher = open(channel, 3);
    begin();
    // Out of its scope without a commit: given up, after a look and a mark.
    publisher.reserve(3000).unwrap()[..8].fill(1);
    end();
}

/// Full, because of one that died; it is passed over.
pub(in super::super) fn publish_past_the_dead(channel: &str) {
    let mut publisher = publisher(channel, Crowd::Nobody).unwrap();
    let (tag, data) = message(filling(capacity()));
    begin();
    publisher.write_tagged(tag, &data).unwrap();
    end();
}

/// Full, because of one that is slow; it is passed over.
pub(in super::super) fn publish_evicts(channel: &str) {
    let mut publisher = publisher(channel, Crowd::PublisherThatEvicts).unwrap();
    let full = filling(capacity());
    put_all(&mut publisher, 0..full);
    publish_one(&mut publisher, full);
}

pub(in super::super) fn create(channel: &str) {
    begin();
    let _publisher = publisher(channel, Crowd::Nobody).unwrap();
    end();
}

pub(in super::super) fn close_publisher(channel: &str) {
    let publisher = open(channel, 3);
    begin();
    publisher.close().unwrap();
    end();
}

fn connect(channel: &str) -> KrenSubscriber {
    KrenSubscriber::options()
        .start(Start::Oldest)
        .connect(channel)
        .unwrap()
}

fn connect_durable(channel: &str) -> KrenSubscriber {
    let options = KrenSubscriber::options()
        .start(Start::Oldest)
        .durable(DURABLE);
    options.connect(channel).unwrap()
}

fn read_one(mut subscriber: KrenSubscriber) {
    let (tag, data) = message(0);
    begin();
    let found = subscriber.read_timeout(patience()).unwrap();
    assert!(found.tag() == tag && found == data);
    drop(found);
    end();
}

pub(in super::super) fn read_release(channel: &str) {
    read_one(connect(channel));
}

pub(in super::super) fn read_release_durable(channel: &str) {
    read_one(connect_durable(channel));
}

pub(in super::super) fn join(channel: &str) {
    begin();
    let _subscriber = KrenSubscriber::connect(channel).unwrap();
    end();
}

pub(in super::super) fn join_oldest(channel: &str) {
    begin();
    let _subscriber = connect(channel);
    end();
}

/// For the first time, or again: as its predecessor left it.
pub(in super::super) fn join_durable(channel: &str) {
    begin();
    let _subscriber = connect_durable(channel);
    end();
}

pub(in super::super) fn leave(channel: &str) {
    let subscriber = connect(channel);
    begin();
    subscriber.close().unwrap();
    end();
}

pub(in super::super) fn leave_durable(channel: &str) {
    let subscriber = connect_durable(channel);
    begin();
    subscriber.close().unwrap();
    end();
}

pub(in super::super) fn unsubscribe(channel: &str) {
    let subscriber = connect_durable(channel);
    begin();
    subscriber.unsubscribe().unwrap();
    end();
}

/// A lossy one that has been overtaken finds a new place.
pub(in super::super) fn fall_behind(channel: &str) {
    let options = KrenSubscriber::options().start(Start::Oldest).lossy(true);
    let mut subscriber = options.connect(channel).unwrap();
    begin();
    let lagged = subscriber.try_read().map(|_| ());
    assert!(matches!(lagged, Err(Error::Lagged { .. })), "{lagged:?}");
    assert!(subscriber.try_read().unwrap().is_some());
    end();
}

/// A publisher that dies with a full ring, whose one subscriber has died too.
pub(in super::super) fn die_full(channel: &str) {
    let mut publisher = publisher(channel, Crowd::Nobody).unwrap();
    let subscriber = KrenSubscriber::connect(channel).unwrap();
    put_all(&mut publisher, 0..filling(capacity()));
    std::mem::forget(subscriber);
    die(publisher);
}

/// A publisher that dies in the middle of a look, between committing and storing its position.
pub(in super::super) fn die_looking(channel: &str) {
    let publisher = open(channel, 3);
    stand_back(channel, 40, 2);
    poke(channel, capacity() + role::SCAN, &77u32.to_le_bytes());
    die(publisher);
}

/// A durable subscriber that has seen message 0 and not released it.
pub(in super::super) fn die_durable(channel: &str) {
    let mut subscriber = connect_durable(channel);
    std::mem::forget(subscriber.read().unwrap());
    assert!(std::fs::exists(path(channel)).unwrap());
    die(subscriber);
}
