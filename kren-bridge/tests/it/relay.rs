//! A long way between two machines, with stalls: what `netem` would do, where kernels have it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// One way.
const DELAY: Duration = Duration::from_millis(20);
/// How often nothing passes for a while, and for how long.
const STALLS: (Duration, Duration) = (Duration::from_secs(4), Duration::from_millis(700));

/// Passes everything on, later.
pub(crate) fn run(listen: &str, target: &str) {
    let listener = TcpListener::bind(listen).unwrap();
    crate::worker::say("there");
    for near in listener.incoming() {
        let near = near.unwrap();
        let Ok(far) = TcpStream::connect(target) else {
            continue;
        };
        for (from, to) in [(&near, &far), (&far, &near)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || pass(from, to));
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // What is on its way fills no more than a long cable would.
    let (put, got) = mpsc::sync_channel::<(Instant, Vec<u8>)>(256);
    let out = thread::spawn(move || {
        let start = Instant::now();
        for (came, bytes) in got {
            let mut due = came + DELAY;
            let (period, stall) = STALLS;
            let phase = due.duration_since(start).as_nanos() % period.as_nanos();
            if phase < stall.as_nanos() {
                due += stall;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if put.send((Instant::now(), bytes[..read].to_vec())).is_err() {
            break;
        }
    }
    drop(put);
    let _ = out.join();
    let _ = from.shutdown(Shutdown::Both);
}
