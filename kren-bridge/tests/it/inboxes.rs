//! Senders on one machine, their inbox on another.

use crate::support::{Machine, PATIENCE, machines, until};
use crate::worker::{Messages, say, wait_for_go};
use kren_core::{Error, KrenInbox, KrenSender};
use std::time::Duration;

/// As sender `who`, the messages 0 to `to`; then a close, once it is allowed to.
pub(crate) fn send(name: &str, who: u64, to: u64, longest: usize) {
    let messages = Messages::new();
    let mut sender = KrenSender::connect(name).unwrap();
    say("there");
    for at in 0..to {
        let message = messages.get(at ^ who << 32, longest);
        let tag = (who << 24 | at) as u32;
        loop {
            match sender.write_tagged(tag, message) {
                Ok(()) => break,
                // Its bridge was killed; the next goes on.
                Err(Error::PeerDied { .. } | Error::Closed { .. }) => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    say("sent");
    wait_for_go();
}

/// What so many senders have sent, each message once and in the order of its sender, and nothing after it.
pub(crate) fn collect(name: &str, senders: u64, to: u64, longest: usize) {
    let messages = Messages::new();
    let mut inbox = KrenInbox::create(name, 1 << 18).unwrap();
    say("there");
    let mut next = vec![0; senders as usize];
    let mut at = 0;
    while at < senders * to {
        let letter = inbox.read_timeout(PATIENCE).unwrap();
        let who = u64::from(letter.tag() >> 24);
        let number = &mut next[who as usize];
        let expected = (who << 24 | *number) as u32;
        assert_eq!(
            letter.tag(),
            expected,
            "of sender {who}, another message than expected"
        );
        assert!(
            letter[..] == *messages.get(*number ^ who << 32, longest),
            "message {number} of {who}"
        );
        *number += 1;
        at += 1;
        for part in 1..8 {
            if at == senders * to * part / 8 {
                say(part);
            }
        }
    }
    say("all");
    wait_for_go();
    assert!(inbox.try_read().unwrap().is_none(), "something came twice");
    until("a sender that is gone is there", || {
        let nothing = inbox.read_timeout(Duration::from_millis(20)).map(drop);
        assert!(
            matches!(nothing, Err(Error::TimedOut { .. })),
            "{nothing:?}"
        );
        inbox.senders().is_empty()
    });
    say("alone");
    wait_for_go();
}

fn nothing_is_left(machine: &Machine, name: &str) {
    until("nothing left of the inbox", || {
        let list = machine.command("ls").arg("/dev/shm").output().unwrap();
        !String::from_utf8_lossy(&list.stdout).contains(name)
    });
}

/// Each sender's messages come once and in its order: over a cut cable, and over the death of either bridge; and nothing is left behind.
#[test]
fn many_senders_over_everything() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let mut export = here.bridge(&["export", "results", "--listen", &here.endpoint()]);
    let mut import = there.bridge(&["import", "results", "--connect", &here.endpoint()]);
    // One comes before anything stands for the inbox.
    let mut senders = vec![there.worker("send results 0 1500 20000")];
    senders[0].says("there");
    let mut inbox = here.worker("collect results 3 1500 20000");
    import.says("'results' stands for the inbox on here");
    senders.extend((1..3).map(|who| there.worker(&format!("send results {who} 1500 20000"))));
    inbox.says("1");
    there.plug(false);
    std::thread::sleep(Duration::from_millis(300));
    there.plug(true);
    inbox.says("2");
    export.kill();
    export.start(&here);
    inbox.says("3");
    import.kill();
    import.start(&there);
    inbox.says("4");
    export.kill();
    import.kill();
    import.start(&there);
    export.start(&here);
    inbox.says("all");
    for sender in &mut senders {
        sender.says("sent");
    }
    until("all of it known to be there", || {
        let status = there.status();
        let channels = status["bridges"][0]["channels"].as_array().unwrap();
        let is_lane = |seen: &&serde_json::Value| seen["kind"] == "lane";
        let lags = channels.iter().filter(is_lane);
        lags.clone().count() == 3 && lags.clone().all(|seen| seen["lag_messages"] == 0)
    });
    // One whose end nobody is there to tell.
    import.kill();
    let mut last = senders.pop().unwrap();
    last.go();
    last.ends();
    import.start(&there);
    senders.iter_mut().for_each(crate::support::Worker::go);
    senders.into_iter().for_each(crate::support::Worker::ends);
    inbox.go();
    inbox.says("alone");
    for machine in [&here, &there] {
        until("the inbox in the status", || {
            let status = machine.status();
            let channels = status["bridges"][0]["channels"].as_array().unwrap();
            channels.iter().any(|seen| {
                let state = seen["state"].as_str().unwrap_or_default();
                seen["kind"] == "inbox" && seen["name"] == "results" && state.starts_with("open to")
            })
        });
    }
    inbox.go();
    inbox.ends();
    nothing_is_left(&here, "results");
    nothing_is_left(&there, "results");
    export.stop();
    import.stop();
}

/// An inbox of this machine is not taken for one elsewhere; one that stands for another is not exported in its turn; and what an inbox had not read
/// when it was removed is said to be missing.
#[test]
fn an_inbox_is_in_one_place() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let mut own = there.worker("collect results 1 10 100");
    own.says("there");
    let mut inbox = here.worker("collect results 1 20 100");
    inbox.says("there");
    let mut export = here.bridge(&["export", "results", "--listen", &here.endpoint()]);
    let import = there.bridge(&["import", "results", "--connect", &here.endpoint()]);
    import.says("it is an inbox of this machine itself");
    export.says("'results' is not taken on the other side");
    own.kill();
    import.says("'results' stands for the inbox on here");
    let back = there.bridge(&["export", "*", "--listen", "tcp/127.0.0.1:7448"]);
    back.says("'results' is not exported: it stands for the inbox on another machine");

    let mut sender = there.worker("send results 0 10 100");
    sender.says("sent");
    inbox.says("4");
    here.worker("remove results").ends();
    inbox.kill();
    export.says("'results' is gone");
    let mut inbox = here.worker("collect results 2 5 100");
    export.says("Start this side with --on-gap continue");
    export.stop();
    export.set("--on-gap", "continue");
    export.start(&here);
    export.says("it goes on with message 10");
    let mut next = there.worker("send results 1 5 100");
    next.says("sent");
    inbox.says("4");
}
