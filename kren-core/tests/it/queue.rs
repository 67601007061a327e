//! One dealer, many workers: who gets what, and what becomes of the work of those that die (P9, P10).

use crate::support::{Limit, Name, PAGE, PATIENCE, Parts, Process, Role, mix};
use kren_core::{Error, KrenDealer, KrenWorker};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

pub(crate) const PARTS: Parts = &[
    ("worker to the end", worker_to_the_end),
    ("worker that stops", worker_that_stops),
    ("dealer of a count", dealer_of_a_count),
];

const CAPACITY: usize = 4 * PAGE;
const SOON: Duration = Duration::from_millis(20);

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Says each message that it has done; says `again` for those that may have been begun by another.
fn worker_to_the_end(role: &Role) {
    let (name, ahead): (String, u32) = (role.arg(0), role.arg(1));
    let mut worker = KrenWorker::options().ahead(ahead).connect(&name).unwrap();
    role.say("ready", 0);
    loop {
        match worker.read_timeout(PATIENCE) {
            // Said before it is released: what is released is done.
            Ok(work) => {
                let word = if work.redelivered() { "again" } else { "done" };
                role.say(word, number(&work));
            }
            Err(Error::Closed { .. }) => break,
            // Another dealer may come.
            Err(Error::PeerDied { .. }) => continue,
            Err(error) => panic!("{error}"),
        }
    }
    role.say("end", 0);
}

/// Takes one message and never finishes it.
fn worker_that_stops(role: &Role) {
    let name: String = role.arg(0);
    let mut worker = KrenWorker::connect(&name).unwrap();
    role.say("ready", 0);
    let work = worker.read().unwrap();
    role.say("began", number(&work));
    role.linger()
}

fn dealer_of_a_count(role: &Role) {
    let (name, from, to): (String, u64, u64) = (role.arg(0), role.arg(1), role.arg(2));
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    for at in from..to {
        dealer.write_timeout(&at.to_le_bytes(), PATIENCE).unwrap();
        if at % 32 == 31 {
            role.say("dealt", at + 1);
        }
    }
    role.say("dealt", to);
    dealer.drain(PATIENCE).unwrap();
    role.say("drained", to);
    role.linger()
}

/// Everything a worker says to its end.
fn all_of(worker: &mut Process, done: &mut HashMap<u64, u32>) -> usize {
    let mut count = 0;
    while let Some((word, what)) = worker.next() {
        match word.as_str() {
            "done" | "again" => {
                *done.entry(what.parse().unwrap()).or_default() += 1;
                count += 1;
            }
            "end" => return count,
            _ => {}
        }
    }
    panic!("the worker ended before its end");
}

/// P10: a worker that was there while a dealer was, and got nothing, is told of its end all the same.
#[test]
fn a_dealer_that_gave_nothing_is_heard_to_go() {
    let _limit = Limit::new();
    let name = Name::new("nothing");
    let mut early = KrenWorker::connect(&name).unwrap();
    let none = early.read_timeout(SOON).map(drop).unwrap_err();
    assert!(matches!(none, Error::TimedOut { .. }), "{none}");
    let dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    let mut late = KrenWorker::connect(&name).unwrap();
    dealer.close().unwrap();
    let told = late.read_timeout(PATIENCE).map(drop).unwrap_err();
    assert!(matches!(told, Error::Closed { .. }), "{told}");
    // Once: the next call waits for another.
    for worker in [&mut early, &mut late] {
        let none = worker.read_timeout(SOON).map(drop).unwrap_err();
        assert!(matches!(none, Error::TimedOut { .. }), "{none}");
    }
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    dealer.write_timeout(b"work", PATIENCE).unwrap();
    if cfg!(windows) {
        // There a lane goes with its last side: the worker is to have come to it.
        early.wait_readable(Some(PATIENCE), &mut || Ok(())).unwrap();
    }
    dealer.close().unwrap();
    assert_eq!(&early.read_timeout(PATIENCE).unwrap()[..], b"work");
}

/// P9: each message goes to one worker, none is lost, and all have a share.
#[test]
fn each_message_goes_to_one_worker() {
    let _limit = Limit::new();
    const COUNT: u64 = 3000;
    let name = Name::new("queue");
    let mut workers: Vec<Process> = (0..3)
        .map(|_| Process::start("worker to the end", &[&name, &4]))
        .collect();
    workers.iter_mut().for_each(|worker| {
        worker.expect("ready");
    });
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    for at in 0..COUNT {
        dealer.write_timeout(&at.to_le_bytes(), PATIENCE).unwrap();
    }
    dealer.drain(PATIENCE).unwrap();
    dealer.close().unwrap();
    let mut done = HashMap::new();
    for mut worker in workers {
        let share = all_of(&mut worker, &mut done);
        // However little time a busy machine gave it.
        assert!(share >= 4, "{share}");
        worker.finish();
    }
    assert_eq!(done.len(), COUNT as usize);
    assert!(done.values().all(|times| *times == 1));
    name.assert_nothing_left();
}

/// P10: what a worker that is killed had not released goes to another, marked; at least once, and nobody waits for the dead.
#[test]
fn the_work_of_the_dead_is_done_by_others() {
    let _limit = Limit::new();
    let name = Name::new("dead-workers");
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    let mut still = Process::start("worker that stops", &[&name]);
    still.expect("ready");
    for at in 0..20u64 {
        dealer.write_timeout(&at.to_le_bytes(), PATIENCE).unwrap();
    }
    let began: u64 = still.expect("began").parse().unwrap();
    assert_eq!(began, 0);
    let mut other = KrenWorker::connect(&name).unwrap();
    let nothing = other.read_timeout(SOON).unwrap_err();
    assert!(matches!(nothing, Error::TimedOut { .. }), "{nothing}");
    still.kill();
    // The dealer has noticed, and let go of that lane.
    assert!(!dealer.is_drained().unwrap());
    assert_eq!(dealer.workers(), 1);
    for at in 0..20 {
        let work = other.read_timeout(PATIENCE).unwrap();
        assert_eq!(number(&work), at);
        assert!(work.redelivered());
    }
    dealer.write(&20u64.to_le_bytes()).unwrap();
    let work = other.read_timeout(PATIENCE).unwrap();
    assert_eq!((number(&work), work.redelivered()), (20, false));
    drop(work);
    dealer.drain(PATIENCE).unwrap();
    drop((dealer, other));
    name.assert_nothing_left();
}

/// P10: once it has noticed a worker's end, the dealer gives what comes to those who live, whoever has nothing to do.
#[test]
fn the_dead_get_nothing_more() {
    let _limit = Limit::new();
    let name = Name::new("none-for-the-dead");
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    // The first seat, which is chosen where nobody has more to do than others.
    let gone = KrenWorker::connect(&name).unwrap();
    let mut stays = KrenWorker::connect(&name).unwrap();
    dealer.drain(PATIENCE).unwrap();
    assert_eq!(dealer.workers(), 2);
    gone.close().unwrap();
    dealer.drain(PATIENCE).unwrap();
    assert_eq!(dealer.workers(), 1);
    for at in 0..10u64 {
        dealer.write_timeout(&at.to_le_bytes(), PATIENCE).unwrap();
        let work = stays.read_timeout(PATIENCE).unwrap();
        assert_eq!((number(&work), work.redelivered()), (at, false));
    }
    drop((dealer, stays));
    name.assert_nothing_left();
}

/// P9, P10: a storm of dying workers and dealers: every message is done at least once, and more than once only if somebody died.
#[test]
fn workers_and_dealers_that_are_killed() {
    let _limit = Limit::new();
    let name = Name::new("queue-storm");
    let start = |ahead: u32| {
        let mut worker = Process::start("worker to the end", &[&name, &ahead]);
        worker.expect("ready");
        worker
    };
    let mut workers: Vec<Process> = (0..3).map(start).collect();
    let mut done: HashMap<u64, u32> = HashMap::new();
    let mut from = 0;
    for life in 0..6 {
        // On Windows what a worker has left goes if the dealer dies as well: there they die in turn.
        let kills_workers = cfg!(not(windows)) || life % 2 == 0;
        let kills_dealer = cfg!(not(windows)) || life % 2 == 1;
        let to = from + 400 + mix(life) % 400;
        let mut dealer = Process::start("dealer of a count", &[&name, &from, &to]);
        let mut dealt = from;
        let until = from + mix(life ^ 77) % (to - from);
        while dealt < until {
            dealt = dealer.expect("dealt").parse().unwrap();
            let at = life as usize % 3;
            if kills_workers && mix(dealt).is_multiple_of(3) {
                workers[at].kill();
                while let Some((word, what)) = workers[at].next() {
                    if word == "done" || word == "again" {
                        *done.entry(what.parse().unwrap()).or_default() += 1;
                    }
                }
                workers[at] = start(life as u32 % 4);
            }
        }
        if kills_dealer {
            dealer.kill();
        }
        while let Some((word, what)) = dealer.next() {
            match word.as_str() {
                "dealt" => dealt = what.parse().unwrap(),
                _ => dealer.kill(),
            }
        }
        from = dealt;
        // Those that were dealt and not said come as extra ones: the next dealer begins behind what was said.
    }
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    dealer.drain(PATIENCE).unwrap();
    dealer.close().unwrap();
    for mut worker in workers {
        all_of(&mut worker, &mut done);
        worker.finish();
    }
    let missing: Vec<u64> = (0..from).filter(|at| !done.contains_key(at)).collect();
    assert!(
        missing.is_empty(),
        "{} of {from}: {missing:?}",
        missing.len()
    );
    name.assert_nothing_left();
}

/// P9: a worker gets no more ahead than it wants; a key keeps its worker.
#[test]
fn ahead_and_keys() {
    let _limit = Limit::new();
    let name = Name::new("ahead");
    let mut one = KrenWorker::options().ahead(1).connect(&name).unwrap();
    let mut two = KrenWorker::options().ahead(2).connect(&name).unwrap();
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    for at in 0..3u64 {
        dealer.try_write(&at.to_le_bytes()).unwrap();
    }
    let full = dealer.try_write(b"too many").unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    let late = dealer.write_timeout(b"too many", SOON).unwrap_err();
    assert!(matches!(late, Error::TimedOut { .. }), "{late}");
    drop(one.read().unwrap());
    dealer.write_timeout(&3u64.to_le_bytes(), PATIENCE).unwrap();
    let mut got = HashSet::new();
    got.insert(number(&one.read().unwrap()));
    for _ in 0..2 {
        got.insert(number(&two.read().unwrap()));
    }
    assert_eq!(got.len(), 3);

    let mut keepers: HashMap<u64, HashSet<u8>> = HashMap::new();
    for at in 0..60u64 {
        let key = at % 10;
        dealer
            .write_keyed(&key.to_le_bytes(), &key.to_le_bytes())
            .unwrap();
        let keeper = match one.try_read().unwrap() {
            Some(work) => {
                assert_eq!(number(&work), key);
                1
            }
            None => {
                assert_eq!(number(&two.try_read().unwrap().unwrap()), key);
                2
            }
        };
        keepers.entry(key).or_default().insert(keeper);
    }
    assert!(
        keepers.values().all(|keepers| keepers.len() == 1),
        "{keepers:?}"
    );
    assert!(keepers.values().flatten().collect::<HashSet<_>>().len() == 2);
}

/// A dealer waits for its first worker.
#[test]
fn a_dealer_waits_for_a_worker() {
    let _limit = Limit::new();
    let name = Name::new("no-worker");
    let mut dealer = KrenDealer::create(&name, CAPACITY).unwrap();
    let nobody = dealer.write_timeout(b"x", SOON).unwrap_err();
    assert!(nobody.to_string().contains("worker"), "{nobody}");
    let long = vec![0; dealer.max_message_len() + 1];
    let error = dealer.write(&long).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let worker = Process::start("worker to the end", &[&name, &0]);
    dealer.write_timeout(&7u64.to_le_bytes(), PATIENCE).unwrap();
    dealer.drain(PATIENCE).unwrap();
    drop(dealer);
    worker.finish();
}
