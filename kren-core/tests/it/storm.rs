//! A peer that stores all the time, while both sides work (G7).

use crate::attacker::{Attacker, DATA, READER_PAGE, WORDS, WRITER_PAGE};
use crate::hostile::{SOON, exercise, tolerable};
use crate::support::{Limit, Name, PAGE, Parts, Process, Role, mix};
use kren_core::{KrenReader, KrenWriter, PeerState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) const PARTS: Parts = &[("storm", storm)];

/// G7: a peer that takes and leaves its role thousands of times a second, or pretends to, does not
/// hold up who asks for it.
#[test]
fn a_peer_that_comes_and_goes_without_end_is_no_hang() {
    let _limit = Limit::new();
    let name = Name::new("sessions");
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    drop(writer);
    let attacker = Attacker::new(&name);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            attacker.u32(WRITER_PAGE + 384).store(1, Ordering::SeqCst);
            while !done.load(Ordering::Relaxed) {
                attacker
                    .u32(WRITER_PAGE + 388)
                    .fetch_add(1, Ordering::SeqCst);
            }
        });
        // Nobody holds the role, so a look that waits for the words to rest would say `Died`; one
        // that gives up says that somebody must be there.
        while reader.writer_state() != PeerState::Attached {}
        tolerable("sessions", reader.read_timeout(SOON).map(drop));
        done.store(true, Ordering::Relaxed);
    });
}

/// Both sides work while a thread stores into every page but their mapped header.
fn storm(role: &Role) {
    let name: String = role.arg(0);
    let until = Instant::now() + Duration::from_millis(role.arg(1));
    let mut rounds = 0u64;
    while Instant::now() < until {
        let mut writer = KrenWriter::options()
            .fresh(true)
            .create(&name, PAGE)
            .unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        let attacker = Attacker::new(&name);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut at = rounds;
                while !done.load(Ordering::Relaxed) {
                    at += 1;
                    let random = mix(at);
                    // A role page, or the data region: near its front, where the headers are.
                    let place = match random % 8 {
                        0 => WRITER_PAGE + WORDS[random as usize / 8 % WORDS.len()].1,
                        1 => READER_PAGE + WORDS[random as usize / 8 % WORDS.len()].1,
                        _ => DATA + random as usize / 8 % (2 * PAGE),
                    };
                    let value = match mix(random) % 4 {
                        0 => mix(random + 1),
                        1 => mix(random + 1) % 5000,
                        2 => mix(random + 1) % 32 * 8,
                        _ => 0,
                    };
                    attacker.u64(place & !7).store(value, Ordering::Relaxed);
                }
            });
            for _ in 0..30 {
                exercise("storm", &mut writer, &mut reader);
            }
            done.store(true, Ordering::Relaxed);
        });
        rounds += 1;
        // Taken over as it is, if it can be.
        drop((writer, reader));
        let again = KrenWriter::create(&name, PAGE).and_then(|mut writer| {
            let mut reader = KrenReader::connect(&name)?;
            exercise("taken over", &mut writer, &mut reader);
            Ok(())
        });
        tolerable("taken over", again);
    }
    drop(
        KrenWriter::options()
            .fresh(true)
            .create(&name, PAGE)
            .unwrap(),
    );
    role.say("rounds", rounds);
}

/// G7: bytes that change under both sides all the time: every call comes back, and the process
/// lives. In a process of its own, so that an access outside the mapping is a failure of this test.
#[test]
fn a_storm_of_stores_is_survived() {
    let _limit = Limit::new();
    let name = Name::new("storm");
    let mut process = Process::start("storm", &[&name, &2000]);
    let rounds = process.expect("rounds");
    println!("{rounds} rounds of every call under fire");
    process.finish();
}
