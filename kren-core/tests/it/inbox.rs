//! Many senders, one inbox: what arrives, in which order, and what the death of any side does to the others (P7, P8).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix, pattern};
use kren_core::{Error, KrenInbox, KrenReader, KrenSender, PeerState};
use std::collections::HashMap;
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[
    ("sender of a count", sender_of_a_count),
    ("sender of nothing", sender_of_nothing),
    ("sender without end", sender_without_end),
    ("inbox without end", inbox_without_end),
];

const CAPACITY: usize = 16 * PAGE;
const SOON: Duration = Duration::from_millis(20);

/// Message `at` of the sender that calls itself `who`.
fn message(who: u64, at: u64) -> Vec<u8> {
    let mut bytes = pattern(who ^ at, 16 + mix(at) as usize % 300).to_vec();
    bytes[..8].copy_from_slice(&who.to_le_bytes());
    bytes[8..16].copy_from_slice(&at.to_le_bytes());
    bytes
}

#[track_caller]
fn who_and_what(bytes: &[u8]) -> (u64, u64) {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (who, at) = (word(0), word(8));
    assert_eq!(bytes, message(who, at), "message {at} of {who}");
    (who, at)
}

fn sender_of_a_count(role: &Role) {
    let (name, who, count): (String, u64, u64) = (role.arg(0), role.arg(1), role.arg(2));
    let mut sender = KrenSender::connect(&name).unwrap();
    for at in 0..count {
        sender.write(&message(who, at)).unwrap();
    }
    role.say("done", sender.number());
    // What nobody holds goes with its last side there.
    if cfg!(windows) {
        sender.drain(PATIENCE).unwrap();
    }
}

fn sender_of_nothing(role: &Role) {
    let alone = KrenSender::options().senders(1);
    let _sender = alone.connect(&role.arg::<String>(0)).unwrap();
    role.say("there", 0);
    role.linger()
}

fn sender_without_end(role: &Role) {
    let (name, who): (String, u64) = (role.arg(0), role.arg(1));
    let mut sender = KrenSender::connect(&name).unwrap();
    role.say("number", sender.number());
    for at in 0.. {
        sender.write(&message(who, at)).unwrap();
        if at % 64 == 63 {
            role.say("committed", at + 1);
        }
    }
}

/// Says what it has released.
fn inbox_without_end(role: &Role) {
    let name: String = role.arg(0);
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    loop {
        let letter = inbox.read().unwrap();
        let (who, at) = who_and_what(&letter);
        // Before it is released: what is released has been said.
        role.say("read", format!("{who} {at}"));
        drop(letter);
    }
}

/// P7: what each sender wrote arrives whole, once and in its order, whoever came first; and the inbox knows whose it is.
#[test]
fn every_message_of_every_sender_arrives_in_its_order() {
    let _limit = Limit::new();
    const SENDERS: u64 = 5;
    const COUNT: u64 = 4000;
    let name = Name::new("inbox");
    let mut senders: Vec<Process> = (0..3)
        .map(|who| Process::start("sender of a count", &[&name, &who, &(COUNT / 20)]))
        .collect();
    let mut numbers: HashMap<u64, u64> = HashMap::new();
    for (who, sender) in senders.iter_mut().enumerate() {
        // These came, and but on Windows are gone, before there is an inbox.
        numbers.insert(sender.expect("done").parse().unwrap(), who as u64);
    }
    if cfg!(not(windows)) {
        senders.drain(..).for_each(Process::finish);
    }
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    let late: Vec<Process> = (3..SENDERS)
        .map(|who| Process::start("sender of a count", &[&name, &who, &COUNT]))
        .collect();
    let mut next = [0; SENDERS as usize];
    let mut by_number: HashMap<u64, u64> = numbers;
    let total = 3 * (COUNT / 20) + 2 * COUNT;
    for _ in 0..total {
        let letter = inbox.read_timeout(PATIENCE).unwrap();
        let (who, at) = who_and_what(&letter);
        assert_eq!(at, next[who as usize], "of sender {who}");
        next[who as usize] += 1;
        assert_eq!(*by_number.entry(letter.sender().number).or_insert(who), who);
    }
    assert!(inbox.try_read().unwrap().is_none());
    senders.extend(late);
    senders.into_iter().for_each(Process::finish);
    let mut gone = vec![];
    while gone.len() < SENDERS as usize {
        let nothing = inbox.read_timeout(SOON).unwrap_err();
        assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
        gone.extend(inbox.departures());
    }
    assert!(gone.iter().all(|departure| !departure.died), "{gone:?}");
    assert!(inbox.senders().is_empty());
    drop(inbox);
    name.assert_nothing_left();
}

/// P8: senders that are killed in mid-stream lose nothing that they committed, hold nobody up, and the inbox is told.
#[test]
fn senders_that_are_killed() {
    let _limit = Limit::new();
    let name = Name::new("dead-senders");
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    let mut honest = KrenSender::connect(&name).unwrap();
    let mut of_honest = 0;
    for life in 0..15u64 {
        let mut victim = Process::start("sender without end", &[&name, &life]);
        let number: u64 = victim.expect("number").parse().unwrap();
        let mut next = 0;
        let target = 50 + mix(life) % 2000;
        let mut committed = 0;
        let mut killed = false;
        loop {
            match inbox.read_timeout(SOON) {
                Ok(letter) => {
                    let (who, at) = who_and_what(&letter);
                    if letter.sender().number == number {
                        assert_eq!((who, at), (life, next));
                        next += 1;
                    }
                }
                Err(Error::TimedOut { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            if !killed && next > target {
                killed = true;
                victim.kill();
                while let Some((word, what)) = victim.next() {
                    if word == "committed" {
                        committed = what.parse().unwrap();
                    }
                }
                honest.write(&message(99, of_honest)).unwrap();
                of_honest += 1;
            }
            let gone = inbox.departures();
            if let Some(departure) = gone.iter().find(|gone| gone.sender.number == number) {
                assert!(departure.died);
                break;
            }
        }
        assert!(next >= committed, "{next} of {committed}");
    }
    assert_eq!(inbox.senders().len(), 1);
    drop((inbox, honest));
    name.assert_nothing_left();
}

/// P8: an inbox that is killed has a successor, which gets all that was not released; nobody else is disturbed.
#[test]
fn an_inbox_that_is_killed_has_a_successor() {
    let _limit = Limit::new();
    let name = Name::new("dead-inbox");
    let mut senders: Vec<KrenSender> = (0..3)
        .map(|_| KrenSender::connect(&name).unwrap())
        .collect();
    let mut sent = [0u64; 3];
    let mut released = [0u64; 3];
    for life in 0..8 {
        let mut inbox = Process::start("inbox without end", &[&name]);
        let mut seen = [None; 3];
        for round in 0..100 + mix(life) % 300 {
            let who = round as usize % 3;
            match senders[who].write_timeout(&message(who as u64, sent[who]), PATIENCE) {
                Ok(()) => sent[who] += 1,
                Err(error) => panic!("{error}"),
            }
        }
        for _ in 0..30 {
            let said = inbox.expect("read");
            let (who, at) = said.split_once(' ').unwrap();
            let (who, at): (usize, u64) = (who.parse().unwrap(), at.parse().unwrap());
            // The first of a life may be the last of the one before: at least once.
            let expected = seen[who].map_or(released[who], |last: u64| last + 1);
            assert!(at == expected || seen[who].is_none() && at <= expected && at + 2 > expected);
            seen[who] = Some(at);
        }
        inbox.kill();
        while let Some((word, said)) = inbox.next() {
            if word == "read" {
                let (who, at) = said.split_once(' ').unwrap();
                seen[who.parse::<usize>().unwrap()] = Some(at.parse().unwrap());
            }
        }
        for (released, seen) in released.iter_mut().zip(seen) {
            *released = seen.map_or(*released, |at| at + 1);
        }
    }
    assert_eq!(senders[0].inbox_state(), PeerState::Died);
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    let mut next = [None; 3];
    while let Ok(letter) = inbox.read_timeout(10 * SOON) {
        let (who, at) = who_and_what(&letter);
        let who = who as usize;
        let expected = next[who].unwrap_or(at);
        assert_eq!(at, expected);
        assert!(at + 1 >= released[who], "released ones come again");
        next[who] = Some(at + 1);
    }
    for who in 0..3 {
        assert_eq!(next[who].unwrap_or(sent[who]), sent[who], "of sender {who}");
    }
    drop((inbox, senders));
    name.assert_nothing_left();
}

/// P7, P8: what a sender wrote that is gone keeps its seat until it was read, whoever comes meanwhile; then the seat is free.
#[cfg(not(windows))]
#[test]
fn what_a_sender_left_keeps_its_seat_until_it_was_read() {
    let _limit = Limit::new();
    let name = Name::new("left-by-senders");
    let two = KrenSender::options().senders(2);
    let mut numbers = vec![];
    for who in 0..2 {
        let mut sender = two.connect(&name).unwrap();
        sender.write(&message(who, 0)).unwrap();
        numbers.push(sender.number());
        sender.close().unwrap();
    }
    let full = two.connect(&name).unwrap_err();
    assert!(matches!(full, Error::NoSeat { seats: 2, .. }), "{full}");
    let mut inbox = KrenInbox::create(&name, PAGE).unwrap();
    let mut came: Vec<(u64, u64)> = vec![];
    for _ in 0..2 {
        let letter = inbox.read_timeout(PATIENCE).unwrap();
        came.push((who_and_what(&letter).0, letter.sender().number));
    }
    came.sort_unstable();
    assert_eq!(came, [(0, numbers[0]), (1, numbers[1])]);
    let mut gone = 0;
    while gone < 2 {
        let nothing = inbox.read_timeout(SOON).unwrap_err();
        assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
        gone += inbox.departures().len();
    }
    // Its lane is as large as the inbox says.
    let next = two.connect(&name).unwrap();
    assert_eq!(next.capacity(), PAGE);
    drop((next, inbox));
    name.assert_nothing_left();
}

/// P8: a sender that is killed before it has written anything leaves its seat to the next one, also where there is no inbox.
#[test]
fn a_sender_that_dies_without_a_word_leaves_its_seat() {
    let _limit = Limit::new();
    let name = Name::new("silent-deaths");
    for _ in 0..3 {
        let mut silent = Process::start("sender of nothing", &[&name]);
        silent.expect("there");
        silent.kill();
    }
    drop(KrenSender::connect(&name).unwrap());
    name.assert_nothing_left();
}

/// P7: a sender that never stops does not keep the others from their turn.
#[test]
fn a_busy_sender_does_not_starve_the_others() {
    let _limit = Limit::new();
    let name = Name::new("fair");
    let mut inbox = KrenInbox::create(&name, CAPACITY).unwrap();
    let mut busy = KrenSender::connect(&name).unwrap();
    let mut shy = KrenSender::connect(&name).unwrap();
    let mut of_busy = 0;
    while busy.try_write(&message(1, of_busy)).is_ok() {
        of_busy += 1;
    }
    shy.write(&message(2, 0)).unwrap();
    let mut before = 0;
    loop {
        let (who, _) = who_and_what(&inbox.read().unwrap());
        if who == 2 {
            break;
        }
        before += 1;
        // It never stops.
        while busy.try_write(&message(1, of_busy)).is_ok() {
            of_busy += 1;
        }
    }
    assert!(before <= 64, "{before} messages before its turn");
}

/// Held messages are held per sender, and an inbox is no channel.
#[test]
fn letters_may_be_held_and_kinds_are_told_apart() {
    let _limit = Limit::new();
    let name = Name::new("letters");
    let mut inbox = KrenInbox::create(&name, PAGE).unwrap();
    let mut one = KrenSender::connect(&name).unwrap();
    let mut two = KrenSender::connect(&name).unwrap();
    one.write_tagged(7, b"one").unwrap();
    two.write(b"two").unwrap();
    let mut held = vec![];
    for _ in 0..2 {
        let letter = inbox.read().unwrap();
        held.push((letter.sender().number, letter.tag(), letter.into_lease()));
    }
    held.sort_by_key(|(number, ..)| *number);
    assert_eq!((held[0].1, &held[0].2[..]), (7, &b"one"[..]));
    assert_eq!(&held[1].2[..], b"two");
    assert_eq!(held[0].0, one.number());
    let wrong = KrenReader::connect(&name).unwrap_err();
    assert!(matches!(wrong, Error::WrongKind { .. }), "{wrong}");
    let second = KrenInbox::create(&name, PAGE).unwrap_err();
    assert!(matches!(second, Error::WriterExists { .. }), "{second}");
    drop((held, inbox, one, two));
    name.assert_nothing_left();
}

/// P7: what is held when all others have gone takes the inbox's name along when it goes.
#[test]
fn a_letter_that_is_held_longest() {
    let _limit = Limit::new();
    let name = Name::new("held-longest");
    let mut inbox = KrenInbox::create(&name, PAGE).unwrap();
    let mut sender = KrenSender::connect(&name).unwrap();
    sender.write(b"held").unwrap();
    let held = inbox.read().unwrap().into_lease();
    drop(sender);
    drop(inbox);
    assert_eq!(&held[..], b"held");
    drop(held);
    name.assert_nothing_left();
}

/// P7, I5: what is held of a sender that is gone goes alone when it goes: its inbox lives, and is found by the next one.
#[test]
fn a_letter_that_is_held_longer_than_its_sender() {
    let _limit = Limit::new();
    let name = Name::new("held-longer");
    let mut inbox = KrenInbox::create(&name, PAGE).unwrap();
    for _ in 0..2 {
        let mut sender = KrenSender::connect(&name).unwrap();
        sender.write(b"held").unwrap();
        let held = inbox.read_timeout(PATIENCE).unwrap().into_lease();
        drop(sender);
        while inbox.departures().is_empty() {
            let nothing = inbox.read_timeout(SOON).unwrap_err();
            assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
        }
        drop(held);
        assert!(!inbox.is_removed());
        let second = KrenInbox::create(&name, PAGE).unwrap_err();
        assert!(matches!(second, Error::WriterExists { .. }), "{second}");
    }
    drop(inbox);
    name.assert_nothing_left();
}

/// G9 for inboxes: one that waits for many senders that say nothing sleeps.
#[test]
fn many_idle_senders_cost_nothing_and_each_is_heard() {
    let _limit = Limit::new();
    let name = Name::new("many-senders");
    let mut inbox = KrenInbox::options()
        .senders(64)
        .create(&name, PAGE)
        .unwrap();
    let mut senders: Vec<KrenSender> = (0..64)
        .map(|_| KrenSender::connect(&name).unwrap())
        .collect();
    let none = KrenSender::connect(&name).unwrap_err();
    assert!(matches!(none, Error::NoSeat { seats: 64, .. }), "{none}");
    let nothing = inbox.read_timeout(SOON).unwrap_err();
    assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
    for round in 0..3 {
        for (who, sender) in senders.iter_mut().enumerate() {
            sender.write(&message(who as u64, round)).unwrap();
            let start = Instant::now();
            let letter = inbox.read_timeout(PATIENCE).unwrap();
            assert_eq!(who_and_what(&letter), (who as u64, round));
            assert!(start.elapsed() < Duration::from_secs(5));
        }
    }
    drop((inbox, senders));
    name.assert_nothing_left();
}

/// An inbox that is to spin does so as long as it waits, and hears of deaths all the same (P7).
#[cfg(target_os = "linux")]
#[test]
fn an_inbox_that_spins_does_not_sleep() {
    let _limit = Limit::new();
    let name = Name::new("inbox-spin");
    let options = KrenInbox::options().strategy(kren_core::Strategy::Spin);
    let mut inbox = options.create(&name, CAPACITY).unwrap();
    let sleeps = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = sleeps();
    let waited = inbox.read_timeout(Duration::from_millis(500)).unwrap_err();
    assert!(matches!(waited, Error::TimedOut { .. }), "{waited:?}");
    // Five slices; a page that has to be fetched may be waited for.
    assert!(
        sleeps() - before < 4,
        "it slept {} times",
        sleeps() - before
    );

    let mut sender = Process::start("sender of a count", &[&name, &7, &1]);
    assert_eq!(who_and_what(&inbox.read().unwrap()), (7, 0));
    sender.expect("done");
    sender.kill();
    let killed = Instant::now();
    while inbox.departures().is_empty() {
        assert!(killed.elapsed() < PATIENCE);
        let _ = inbox.read_timeout(SOON);
    }
}
