//! How fast it is, beside zenoh itself and a plain TCP connection over the same cable. Run by `cargo xtask bench --bridge`.

use crate::support::{Machine, machines};
use kren_core::{KrenReader, KrenWriter};
use ringfire::{FutexWait, Mirror, MirrorStart, ReplicaServer, RingConsumer, RingProducer};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zenoh::Wait;
use zenoh::qos::CongestionControl;

/// Bytes of the ring on both machines.
const RING: usize = 4 << 20;
/// Between two messages whose time is taken.
const PERIOD: Duration = Duration::from_millis(1);
/// The limit, the engine, what is carried by it; and a rival, whose source does not wait for its mirror, so that only its way is measured.
const WAYS: [&str; 4] = ["tcp", "zenoh", "bridge", "ringfire"];

/// What is measured: messages of a length, so many, as fast as they go; or the way of single ones, in microseconds.
struct Cell {
    name: &'static str,
    is_way: bool,
    len: usize,
    count: usize,
}

const CELLS: [Cell; 3] = [
    Cell {
        name: "64 KiB, messages/s",
        is_way: false,
        len: 64 * 1024,
        count: 40_000,
    },
    Cell {
        name: "64 B, messages/s",
        is_way: false,
        len: 64,
        count: 4_000_000,
    },
    Cell {
        name: "64 B, us one way",
        is_way: true,
        len: 64,
        count: 2_000,
    },
];

/// `KREN_BRIDGE_ROUNDS` says how often, `KREN_BRIDGE_CELL` which of the cells alone.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let variable = |name| std::env::var(name).ok()?.parse::<usize>().ok();
    let rounds = variable("KREN_BRIDGE_ROUNDS").unwrap_or(5);
    let only = variable("KREN_BRIDGE_CELL");
    let Some((here, there)) = machines("1g") else {
        return;
    };
    println!(
        "\n{:<20}{:>14}{:>14}{:>14}{:>14}   bridge / zenoh, each round",
        "median", WAYS[0], WAYS[1], WAYS[2], WAYS[3]
    );
    for (at, cell) in CELLS.iter().enumerate() {
        if only.is_some_and(|only| only != at) {
            continue;
        }
        let round = |_| {
            let found = WAYS.map(|way| match way == "ringfire" && !cell.is_way {
                true => f64::NAN,
                false => once(&here, &there, way, cell),
            });
            println!("{:<20}{}", "", columns(&found));
            found
        };
        let found: Vec<[f64; 4]> = (0..rounds).map(round).collect();
        let median = |of: &dyn Fn(&[f64; 4]) -> f64| {
            let mut all: Vec<f64> = found.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let medians = [0, 1, 2, 3].map(|way| median(&|round| round[way]));
        let ratio = median(&|round| round[2] / round[1]);
        let ratios: Vec<String> = found
            .iter()
            .map(|round| format!("{:.2}", round[2] / round[1]))
            .collect();
        println!(
            "{:<20}{}   {ratio:.2} of {}",
            cell.name,
            columns(&medians),
            ratios.join(" ")
        );
    }
}

fn columns(found: &[f64]) -> String {
    let column = |figure: &f64| match figure.is_nan() {
        true => format!("{:>14}", "-"),
        false => format!("{figure:>14.1}"),
    };
    found.iter().map(column).collect()
}

fn once(here: &Machine, there: &Machine, way: &str, cell: &Cell) -> f64 {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    let endpoint = here.endpoint();
    // A channel of its own for each: what the bridges leave when they are killed stays.
    let channel = format!("speed-{run}");
    let bridges = (way == "bridge").then(|| {
        let export = here.bridge(&["export", &channel, "--listen", &endpoint]);
        let import = there.bridge(&["import", &channel, "--connect", &endpoint]);
        (export, import)
    });
    let at = match way {
        "bridge" => channel,
        _ => format!("{}:7448", here.address),
    };
    let what = if cell.is_way { "way" } else { "flow" };
    let (len, count) = (cell.len, cell.count);
    let work = |side: &str| format!("speed {way} {side} {what} {len} {count} {at}");
    let mut sender = here.worker(&work("send"));
    assert_eq!(sender.hears(), "there");
    let mut receiver = there.worker(&work("receive"));
    assert_eq!(receiver.hears(), "ready");
    sender.go();
    let found = receiver.hears().parse().unwrap();
    sender.go();
    sender.ends();
    receiver.ends();
    drop(bridges);
    found
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

/// One side of a measurement: see [`once`].
pub(crate) fn work(words: &[&str]) {
    let (way, side, is_way) = (words[0], words[1], words[2] == "way");
    let (len, count): (usize, usize) = (words[3].parse().unwrap(), words[4].parse().unwrap());
    match side {
        "send" => {
            let mut send = sender(way, words[5], len, is_way);
            crate::worker::wait_for_go();
            let mut message = vec![0; len];
            let mut next = Instant::now();
            for at in 0..count {
                // All of it is new each time, as what a program sends is.
                message.fill(at as u8);
                if is_way {
                    next += PERIOD;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    message[..8].copy_from_slice(&now().to_le_bytes());
                }
                send(&message, at + 1 == count);
            }
            crate::worker::wait_for_go();
        }
        _ => {
            let mut receive = receiver(way, words[5], len);
            let mut taken = Taken::default();
            for _ in 0..count {
                receive(&mut |message| taken.take(message, is_way));
            }
            crate::worker::say(taken.result(is_way));
        }
    }
}

#[derive(Default)]
struct Taken {
    count: usize,
    first: Option<Instant>,
    ways: Vec<u64>,
}

impl Taken {
    /// Reads all of a message.
    fn take(&mut self, message: &[u8], is_timed: bool) {
        if is_timed {
            let sent = u64::from_le_bytes(message[..8].try_into().unwrap());
            self.ways.push(now().saturating_sub(sent));
        } else {
            let word = |word: &[u8]| u64::from_le_bytes(word.try_into().unwrap());
            let first = word(&message[..8]);
            // What a message is filled with tells which it is, of 256.
            assert!(message.chunks_exact(8).all(|other| word(other) == first));
            assert_eq!(message[0], self.count as u8);
        }
        self.count += 1;
        self.first.get_or_insert_with(Instant::now);
    }

    fn result(mut self, is_timed: bool) -> f64 {
        if is_timed {
            self.ways.sort_unstable();
            return self.ways[self.ways.len() / 2] as f64 / 1e3;
        }
        (self.count - 1) as f64 / self.first.unwrap().elapsed().as_secs_f64()
    }
}

/// Sends a message, and all that waits if it is the last.
type Send = Box<dyn FnMut(&[u8], bool)>;
type Receive = Box<dyn FnMut(&mut dyn FnMut(&[u8]))>;

fn session(listen: &[String], connect: &[String]) -> zenoh::Session {
    let config = kren_bridge::config::Config {
        listen: listen.to_vec(),
        connect: connect.to_vec(),
        ..Default::default()
    };
    zenoh::open(config.for_zenoh().unwrap()).wait().unwrap()
}

fn sender(way: &str, at: &str, len: usize, is_alone: bool) -> Send {
    match way {
        "tcp" => {
            let listener = TcpListener::bind(at).unwrap();
            crate::worker::say("there");
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            // Short ones in batches, as every sensible program would.
            let mut batch = Vec::with_capacity(FRAME);
            Box::new(move |message, is_last| {
                batch.extend_from_slice(message);
                if is_alone || is_last || batch.len() + len > FRAME {
                    stream.write_all(&batch).unwrap();
                    batch.clear();
                }
            })
        }
        "zenoh" => {
            let session = session(&[format!("tcp/{at}")], &[]);
            let publisher = session
                .declare_publisher("speed")
                .congestion_control(CongestionControl::Block)
                .wait()
                .unwrap();
            crate::worker::say("there");
            Box::new(move |message, _| {
                let _ = &session;
                publisher.put(message).wait().unwrap();
            })
        }
        "ringfire" => {
            let _ = std::fs::remove_file(SOURCE);
            let mut producer = RingProducer::<[u8; 64]>::create(SOURCE, 1 << 14).unwrap();
            ReplicaServer::bind(SOURCE, at).unwrap().spawn().unwrap();
            crate::worker::say("there");
            Box::new(move |message, _| producer.push(message.try_into().unwrap()))
        }
        _ => {
            let mut writer = KrenWriter::create(at, RING).unwrap();
            crate::worker::say("there");
            Box::new(move |message, _| writer.write(message).unwrap())
        }
    }
}

/// Where ringfire's ring lies, and its mirror: as if the folder were another machine's.
const SOURCE: &str = "/dev/shm/ringfire-source";
const TARGET: &str = "/dev/shm/ringfire-mirror";
/// Bytes of a batch over plain TCP.
const FRAME: usize = 64 * 1000;

fn receiver(way: &str, at: &str, len: usize) -> Receive {
    match way {
        "tcp" => {
            let stream = TcpStream::connect(at).unwrap();
            crate::worker::say("ready");
            let mut stream = std::io::BufReader::with_capacity(FRAME, stream);
            let mut message = vec![0; len];
            Box::new(move |take| {
                stream.read_exact(&mut message).unwrap();
                take(&message);
            })
        }
        "zenoh" => {
            let session = session(&[], &[format!("tcp/{at}")]);
            let (tell, told) = mpsc::channel();
            let subscriber = session
                .declare_subscriber("speed")
                .callback(move |sample| {
                    let _ = tell.send(sample.payload().clone());
                })
                .wait()
                .unwrap();
            while session.info().peers_zid().wait().count() == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
            // Until the other side knows of the subscriber.
            std::thread::sleep(Duration::from_millis(500));
            crate::worker::say("ready");
            Box::new(move |take| {
                let _ = (&session, &subscriber);
                take(&told.recv().unwrap().to_bytes());
            })
        }
        "ringfire" => {
            let _ = std::fs::remove_file(TARGET);
            let mirror = Mirror::builder().start(MirrorStart::Oldest);
            let mut mirror = mirror.connect(at, TARGET).unwrap();
            std::thread::spawn(move || mirror.run());
            let mut consumer = RingConsumer::<[u8; 64]>::attach(TARGET).unwrap();
            crate::worker::say("ready");
            Box::new(move |take| take(&consumer.recv_blocking(&mut FutexWait::default())))
        }
        _ => {
            let mut reader = KrenReader::options()
                .timeout(crate::support::PATIENCE)
                .connect(at)
                .unwrap();
            crate::worker::say("ready");
            Box::new(move |take| take(&reader.read().unwrap()))
        }
    }
}
