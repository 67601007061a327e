//! What the killed processes do that have a part in an inbox, a queue or a service.

use super::super::message::message;
use super::super::trace::{begin, end};
use super::{PATIENCE, answer, ask, client, deal, dealer, inbox, send, sender, server, worker};

pub(in super::super) fn sender_joins(channel: &str) {
    begin();
    let _sender = sender(channel).unwrap();
    end();
}

pub(in super::super) fn sender_writes(channel: &str) {
    let mut sender = sender(channel).unwrap();
    (0..3).for_each(|at| send(&mut sender, at).unwrap());
    begin();
    send(&mut sender, 3).unwrap();
    end();
}

pub(in super::super) fn sender_leaves(channel: &str) {
    let mut sender = sender(channel).unwrap();
    (0..3).for_each(|at| send(&mut sender, at).unwrap());
    begin();
    sender.close().unwrap();
    end();
}

pub(in super::super) fn inbox_comes(channel: &str) {
    begin();
    let _inbox = inbox(channel).unwrap();
    end();
}

pub(in super::super) fn inbox_reads(channel: &str) {
    let mut inbox = inbox(channel).unwrap();
    let (tag, data) = message(0);
    begin();
    let letter = inbox.read_timeout(PATIENCE).unwrap();
    assert!(letter.tag() == tag && *letter == data[..]);
    drop(letter);
    end();
}

pub(in super::super) fn inbox_closes(channel: &str) {
    let inbox = inbox(channel).unwrap();
    begin();
    inbox.close().unwrap();
    end();
}

pub(in super::super) fn dealer_deals(channel: &str) {
    let mut dealer = dealer(channel).unwrap();
    (0..3).for_each(|at| deal(&mut dealer, at).unwrap());
    begin();
    deal(&mut dealer, 3).unwrap();
    end();
}

/// The first message makes the lanes.
pub(in super::super) fn dealer_begins(channel: &str) {
    let mut dealer = dealer(channel).unwrap();
    begin();
    deal(&mut dealer, 0).unwrap();
    end();
}

pub(in super::super) fn dealer_closes(channel: &str) {
    let mut dealer = dealer(channel).unwrap();
    (0..3).for_each(|at| deal(&mut dealer, at).unwrap());
    begin();
    dealer.close().unwrap();
    end();
}

pub(in super::super) fn worker_joins(channel: &str) {
    begin();
    let _worker = worker(channel).unwrap();
    end();
}

pub(in super::super) fn worker_works(channel: &str) {
    let mut worker = worker(channel).unwrap();
    let (tag, data) = message(0);
    begin();
    let work = worker.read_timeout(PATIENCE).unwrap();
    assert!(work.tag() == tag && *work == data[..]);
    drop(work);
    end();
}

pub(in super::super) fn worker_leaves(channel: &str) {
    let worker = worker(channel).unwrap();
    begin();
    worker.close().unwrap();
    end();
}

pub(in super::super) fn server_comes(channel: &str) {
    begin();
    let _server = server(channel).unwrap();
    end();
}

pub(in super::super) fn server_answers(channel: &str) {
    let mut server = server(channel).unwrap();
    begin();
    answer(server.next_timeout(PATIENCE).unwrap()).unwrap();
    end();
}

pub(in super::super) fn server_closes(channel: &str) {
    let server = server(channel).unwrap();
    begin();
    server.close().unwrap();
    end();
}

pub(in super::super) fn client_joins(channel: &str) {
    begin();
    let _client = client(channel).unwrap();
    end();
}

pub(in super::super) fn client_calls(channel: &str) {
    let mut client = client(channel).unwrap();
    begin();
    let _call = ask(&mut client, 0).unwrap();
    end();
}

pub(in super::super) fn client_gives_up(channel: &str) {
    let mut client = client(channel).unwrap();
    let call = ask(&mut client, 0).unwrap();
    begin();
    client.cancel(call);
    client.close().unwrap();
    end();
}
