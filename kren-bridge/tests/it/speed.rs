//! How fast it is, beside zenoh itself and a plain TCP connection over the same cable. Run by hand, in release:
//! `cargo test --release -p kren-bridge --test it -- --ignored --nocapture speed`.

use crate::support::{Machine, machines};
use kren_core::{KrenReader, KrenWriter};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zenoh::Wait;
use zenoh::qos::CongestionControl;

/// Bytes of the ring on both machines.
const RING: usize = 16 << 20;
/// Between two messages whose time is taken.
const PERIOD: Duration = Duration::from_millis(1);

/// What is measured: messages of a length, so many; or the way of single ones.
const MEASURED: [(&str, usize, usize); 3] = [
    ("flow", 64 * 1024, 20_000),
    ("flow", 64, 2_000_000),
    ("way", 64, 3_000),
];

#[test]
#[ignore = "a measurement"]
fn speed() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    for (what, len, count) in MEASURED {
        for way in ["tcp", "zenoh", "bridge"] {
            let mut found: Vec<f64> = (0..3)
                .map(|_| once(&here, &there, way, what, len, count))
                .collect();
            found.sort_by(f64::total_cmp);
            let unit = if what == "flow" {
                "messages/s"
            } else {
                "us one way, median"
            };
            println!(
                "{way:<8}{len:>7} bytes {:>14.1} {unit}   {found:.1?}",
                found[1]
            );
        }
    }
}

fn once(here: &Machine, there: &Machine, way: &str, what: &str, len: usize, count: usize) -> f64 {
    let endpoint = here.endpoint();
    let bridges = (way == "bridge").then(|| {
        let export = here.bridge(&["export", "speed", "--listen", &endpoint]);
        let import = there.bridge(&["import", "speed", "--connect", &endpoint]);
        (export, import)
    });
    let address = format!("{}:7448", here.address);
    let work = |side: &str| format!("speed {way} {side} {what} {len} {count} {address}");
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
    let (way, side, what) = (words[0], words[1], words[2]);
    let (len, count): (usize, usize) = (words[3].parse().unwrap(), words[4].parse().unwrap());
    match side {
        "send" => {
            let mut send = sender(way, words[5], len, what == "way");
            crate::worker::wait_for_go();
            let mut message = vec![7; len];
            let mut next = Instant::now();
            for _ in 0..count {
                if what == "way" {
                    next += PERIOD;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    message[..8].copy_from_slice(&now().to_le_bytes());
                }
                send(&message);
            }
            crate::worker::wait_for_go();
        }
        _ => {
            let mut receive = receiver(way, words[5], len);
            let mut taken = Taken::default();
            for _ in 0..count {
                receive(&mut |message| taken.take(message, what == "way"));
            }
            crate::worker::say(taken.result(what == "way"));
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
    fn take(&mut self, message: &[u8], is_timed: bool) {
        self.count += 1;
        self.first.get_or_insert_with(Instant::now);
        if is_timed {
            let sent = u64::from_le_bytes(message[..8].try_into().unwrap());
            self.ways.push(now().saturating_sub(sent));
        }
    }

    fn result(mut self, is_timed: bool) -> f64 {
        if is_timed {
            self.ways.sort_unstable();
            return self.ways[self.ways.len() / 2] as f64 / 1e3;
        }
        self.count as f64 / self.first.unwrap().elapsed().as_secs_f64()
    }
}

type Send = Box<dyn FnMut(&[u8])>;
type Receive = Box<dyn FnMut(&mut dyn FnMut(&[u8]))>;

fn session(listen: &[String], connect: &[String]) -> zenoh::Session {
    let config = kren_bridge::config::Config {
        listen: listen.to_vec(),
        connect: connect.to_vec(),
        ..Default::default()
    };
    zenoh::open(config.for_zenoh().unwrap()).wait().unwrap()
}

fn sender(way: &str, address: &str, len: usize, is_alone: bool) -> Send {
    match way {
        "tcp" => {
            let listener = TcpListener::bind(address).unwrap();
            crate::worker::say("there");
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            // Short ones in batches, as every sensible program would.
            let mut batch = Vec::with_capacity(FRAME);
            Box::new(move |message| {
                batch.extend_from_slice(message);
                if is_alone || batch.len() + len > FRAME {
                    stream.write_all(&batch).unwrap();
                    batch.clear();
                }
            })
        }
        "zenoh" => {
            let session = session(&[format!("tcp/{address}")], &[]);
            let publisher = session
                .declare_publisher("speed")
                .congestion_control(CongestionControl::Block)
                .wait()
                .unwrap();
            crate::worker::say("there");
            Box::new(move |message| {
                let _ = &session;
                publisher.put(message).wait().unwrap();
            })
        }
        _ => {
            let mut writer = KrenWriter::create("speed", RING).unwrap();
            crate::worker::say("there");
            Box::new(move |message| writer.write(message).unwrap())
        }
    }
}

/// Bytes of a batch over plain TCP.
const FRAME: usize = 64 * 1000;

fn receiver(way: &str, address: &str, len: usize) -> Receive {
    match way {
        "tcp" => {
            let stream = TcpStream::connect(address).unwrap();
            crate::worker::say("ready");
            let mut stream = std::io::BufReader::with_capacity(FRAME, stream);
            let mut message = vec![0; len];
            Box::new(move |take| {
                stream.read_exact(&mut message).unwrap();
                take(&message);
            })
        }
        "zenoh" => {
            let session = session(&[], &[format!("tcp/{address}")]);
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
        _ => {
            let mut reader = KrenReader::options()
                .timeout(crate::support::PATIENCE)
                .connect("speed")
                .unwrap();
            crate::worker::say("ready");
            Box::new(move |take| take(&reader.read().unwrap()))
        }
    }
}
