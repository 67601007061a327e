//! Everything is lost but the messages: cables, bridges, time.

use crate::support::{Machine, machines};
use std::time::Duration;

/// Each message once, in order, whole: while the cable is out, and over the death of each bridge. The long form, also over a long way
/// with stalls, is `cargo xtask soak --bridge`.
#[test]
fn nothing_is_lost() {
    let long = std::env::var("KREN_BRIDGE_SOAK")
        .ok()
        .and_then(|count| count.parse::<u64>().ok());
    let Some((here, there)) = machines("1g") else {
        return;
    };
    match long {
        None => run(
            &here,
            &there,
            &Load {
                is_long_way: false,
                count: 6_000,
                ring: 1 << 20,
                kills: 1,
                cuts: &[Duration::from_millis(700)],
            },
        ),
        // Some cuts are longer than zenoh holds a session. As much of ring as a way of 40 ms there and back needs for what it can carry.
        Some(count) => run(
            &here,
            &there,
            &Load {
                is_long_way: true,
                count,
                ring: 16 << 20,
                kills: 5,
                cuts: &[2, 1, 3, 60, 1, 2, 5, 1, 12, 3].map(Duration::from_secs),
            },
        ),
    }
}

/// Over 20 ms each way, with stalls.
#[test]
fn a_long_way() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    run(
        &here,
        &there,
        &Load {
            is_long_way: true,
            count: 1_500,
            ring: 1 << 20,
            kills: 0,
            cuts: &[],
        },
    );
}

/// What goes over the cable, and what becomes of that meanwhile.
struct Load<'a> {
    is_long_way: bool,
    /// Messages, of 0 to 64 KiB.
    count: u64,
    /// Bytes.
    ring: usize,
    /// Of each bridge.
    kills: usize,
    /// How long the cable is out each time.
    cuts: &'a [Duration],
}

fn run(here: &Machine, there: &Machine, load: &Load<'_>) {
    let &Load {
        is_long_way,
        count,
        ring,
        kills,
        cuts,
    } = load;
    let mut export = here.bridge(&["export", "load", "--listen", &here.endpoint()]);
    const RELAY: &str = "127.0.0.1:7449";
    let _relay = is_long_way.then(|| {
        let mut relay = there.worker(&format!("relay {RELAY} {}:7447", here.address));
        relay.says("there");
        relay
    });
    let connect = match is_long_way {
        true => format!("tcp/{RELAY}"),
        false => here.endpoint(),
    };
    let mut import = there.bridge(&["import", "load", "--connect", &connect]);
    let mut writer = here.worker(&format!("write load 0 {count} 65536 {ring}"));
    let mut reader = there.worker(&format!("read load {count} 65536 1"));
    let delivered = |at: u64| {
        let mut count = there.worker(&format!("count load {at}"));
        count.says("so many");
        println!("{at} messages have come");
    };
    let events = cuts.len() + 2 * kills;
    let mut done = 0;
    let next = |done: &mut u64| {
        *done += 1;
        delivered(count * *done / (events as u64 + 2));
    };
    let (mut cuts_left, mut kills_left) = (cuts.iter(), kills);
    while cuts_left.len() > 0 || kills_left > 0 {
        if let Some(cut) = cuts_left.next() {
            next(&mut done);
            there.plug(false);
            std::thread::sleep(*cut);
            there.plug(true);
        }
        if kills_left > 0 {
            kills_left -= 1;
            next(&mut done);
            import.kill();
            import.start(there);
            next(&mut done);
            export.kill();
            export.start(here);
        }
    }
    writer.says("written");
    writer.go();
    reader.says("all");
    reader.go();
    reader.ends();
    writer.ends();
    // Politely, both of them.
    export.stop();
    import.stop();
}

/// A reader that is slow holds up the writer on the other machine, and loses nothing by it.
#[test]
fn a_slow_reader_there() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let _export = here.bridge(&["export", "slow", "--listen", &here.endpoint()]);
    let _import = there.bridge(&["import", "slow", "--connect", &here.endpoint()]);
    let mut writer = here.worker("write slow 0 1000 20000");
    let mut reader = there.worker("read slow 1000 20000 200");
    reader.says("quarter");
    reader.says("half");
    writer.go();
    reader.says("all");
    writer.says("written");
}
