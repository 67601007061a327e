//! `send`, `recv`, `pub`, `sub` and `tail` between real processes.

use crate::support::{Name, Running, failure, kren, output, shell, state, text, wait_until};
use kren_core::{KrenInbox, KrenWorker};
use std::io::{Read, Write};
use std::process::Stdio;

#[test]
fn a_tar_stream_arrives_as_it_was_and_leaves_nothing() {
    let name = Name::new("tar");
    let line = format!(
        "d=$(mktemp -d); mkdir $d/in $d/out; head -c 3000000 /dev/urandom > $d/in/big; echo x > $d/in/small; : > $d/in/empty;
         (cd $d/in; tar c .) | kren send {name} & sender=$!; (cd $d/out; kren recv {name} | tar x) && wait $sender && diff -r $d/in $d/out && rm -r $d"
    );
    let done = shell(&line);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!name.path().exists());
}

#[test]
fn every_framing_gives_back_what_was_sent() {
    for (framing, input) in [
        ("--lines", "one\n\nthree\nlast without an end"),
        ("--null", "a\0b c\n\0\0"),
        ("--length-prefixed", "\u{3}\0\0\0abc\0\0\0\0\u{1}\0\0\0x"),
        ("", "any bytes\0at all\n"),
    ] {
        let name = Name::new("framing");
        let mut send = kren(&format!("send {name} {framing}"));
        let mut send = send.stdin(Stdio::piped()).spawn().unwrap();
        send.stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        assert!(send.wait().unwrap().success());
        assert_eq!(state(&name), "undelivered");
        let received = output(&format!("recv {name} {framing}"));
        let expected = match framing {
            "--lines" => format!("{input}\n"),
            _ => input.into(),
        };
        assert_eq!(received, expected, "{framing}");
        assert_eq!(state(&name), "");
    }
}

/// What stands there says what kind it is, so that one need not.
#[test]
fn lines_go_to_an_inbox_and_to_the_workers_of_a_queue() {
    let (inbox, queue, new) = (Name::new("inbox"), Name::new("queue"), Name::new("new"));
    let mut messages = KrenInbox::create(&inbox, 1 << 16).unwrap();
    let sent = shell(&format!("seq 3 | kren send {inbox} -l --tag 5"));
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    for at in 1..=3 {
        let message = messages.read().unwrap();
        assert_eq!(
            (&message[..], message.tag()),
            (at.to_string().as_bytes(), 5)
        );
    }
    // Its lane stands below it.
    let late = Running::start(&format!("send {inbox} -l"), Stdio::piped(), Stdio::null());
    wait_until("a lane below its inbox", || is_indented(&inbox));
    drop(late);
    messages.close().unwrap();

    for (name, option) in [(&queue, ""), (&new, "--to queue")] {
        // A worker makes the queue where it comes first.
        let connect = || KrenWorker::connect(name).unwrap();
        let first = option.is_empty().then(connect);
        let line = format!("seq 4 | kren send {name} -l --tag 6 --drain {option} --timeout 60");
        let sender = std::thread::spawn(move || shell(&line));
        let mut worker = first.unwrap_or_else(connect);
        for at in 1..=4 {
            let message = worker.read().unwrap();
            assert_eq!(
                (&message[..], message.tag()),
                (at.to_string().as_bytes(), 6)
            );
        }
        let sent = sender.join().unwrap();
        assert!(sent.status.success(), "{}", text(&sent.stderr));
        worker.close().unwrap();
    }
}

/// Whether a lane is listed behind the registry `name`.
fn is_indented(name: &str) -> bool {
    let list = output("ls -o name");
    let mut behind = list.lines().skip_while(|line| line.trim_end() != name);
    behind.nth(1).is_some_and(|line| line.starts_with("  "))
}

#[test]
fn formats_counts_and_tags_are_those_asked_for() {
    let name = Name::new("formats");
    let sent = shell(&format!(
        "printf 'a\\nb\\nc\\nd\\n' | kren send {name} -l --tag 7"
    ));
    assert!(sent.status.success());
    // A look takes nothing.
    let seen = output(&format!("tail {name} -n 2"));
    assert_eq!(seen.lines().count(), 2);
    assert!(
        seen.contains(r#""tag":7"#) && seen.contains(r#""text":"a""#),
        "{seen}"
    );
    assert_eq!(
        output(&format!("recv {name} -n 1 --format hex")),
        "0 7 1 61\n"
    );
    let json = output(&format!("recv {name} -n 1 --format json"));
    assert!(
        json.contains(r#""number":1"#) && json.contains(r#""text":"b""#),
        "{json}"
    );
    assert_eq!(output(&format!("tail {name} --lines")), "c\nd\n");
    assert_eq!(output(&format!("recv {name} -l")), "c\nd\n");
}

/// The documented exit codes.
#[test]
fn each_kind_of_end_has_its_exit_code_and_a_hint() {
    let name = Name::new("codes");
    let (code, said) = failure(&format!("recv {name} --timeout 0"));
    assert_eq!(code, 3);
    assert!(said.contains("hint:") && said.contains("kren ls"), "{said}");
    assert_eq!(failure(&format!("stat {name}")).0, 3);
    assert_eq!(failure(&format!("recv {name} --no-such-option")).0, 2);
    assert_eq!(failure("recv a/b --timeout 0").0, 2);
    assert_eq!(failure(&format!("rm {name}")).0, 3);

    let mut send = Running::start(&format!("send {name}"), Stdio::piped(), Stdio::null());
    wait_until("the channel", || !state(&name).is_empty());
    assert_eq!(failure(&format!("recv {name} --timeout 50ms")).0, 4);
    assert_eq!(failure(&format!("send {name}")).0, 7);
    assert_eq!(failure(&format!("sub {name}")).0, 2);
    let recv = Running::start(&format!("recv {name}"), Stdio::null(), Stdio::null());
    wait_until("both sides", || state(&name) == "idle");
    send.0.kill().unwrap();
    send.0.wait().unwrap();
    let mut recv = recv;
    assert_eq!(recv.0.wait().unwrap().code(), Some(6));
    std::fs::write(name.path(), "nonsense").unwrap();
    assert_eq!(failure(&format!("recv {name} --timeout 0")).0, 9);
}

/// What could not be written out is not lost: the next receiver gets it.
#[test]
fn a_reader_of_the_output_that_goes_away_ends_recv_and_loses_nothing() {
    let name = Name::new("head");
    let done = shell(&format!(
        "seq 200000 | kren send {name} -l -c 8M; kren recv {name} -l | head -n 3; echo ${{PIPESTATUS[0]}}"
    ));
    // As any command that a closed pipe ends.
    assert_eq!(
        text(&done.stdout),
        "1\n2\n3\n141\n",
        "{}",
        text(&done.stderr)
    );
    let rest = output(&format!("recv {name} -l"));
    assert_eq!(rest.lines().last(), Some("200000"));
    let first: u32 = rest.lines().next().unwrap().parse().unwrap();
    assert_eq!(rest.lines().count() as u32, 200_001 - first);
    assert!(first <= 4 + 64 * 1024, "{first}");
}

#[test]
fn ctrl_c_closes_the_side_and_the_other_is_told_that_it_was_broken_off() {
    let name = Name::new("interrupt");
    let mut send = Running::start(&format!("send {name} -l"), Stdio::piped(), Stdio::null());
    // Kept open: to `wait` would be to end the input otherwise.
    let mut input = send.0.stdin.take().unwrap();
    input.write_all(b"whole\nhalf").unwrap();
    let mut recv = Running::start(&format!("recv {name} -l"), Stdio::null(), Stdio::piped());
    wait_until("both sides", || state(&name) == "idle");
    interrupt(send.0.id());
    assert_eq!(send.0.wait().unwrap().code(), Some(143));
    drop(input);
    assert_eq!(recv.0.wait().unwrap().code(), Some(6));
    let mut received = String::new();
    recv.0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut received)
        .unwrap();
    assert_eq!(received, "whole\n");

    // A receiver leaves its seat to the next.
    let mut send = Running::start(&format!("send {name} -l"), Stdio::piped(), Stdio::null());
    wait_until("the writer", || !state(&name).is_empty());
    let mut recv = Running::start(&format!("recv {name} -l"), Stdio::null(), Stdio::null());
    wait_until("both sides", || state(&name) == "idle");
    interrupt(recv.0.id());
    assert_eq!(recv.0.wait().unwrap().code(), Some(143));
    assert_eq!(state(&name), "waiting for a reader");
    send.0.stdin.take();
    assert!(send.0.wait().unwrap().success());
}

/// Whatever it is busy with, a command that is asked to end does so at once: not after its pause, and also where it never waits.
#[test]
fn ctrl_c_ends_a_command_that_sleeps_and_one_that_never_waits() {
    let (name, news) = (Name::new("stop"), Name::new("stop-news"));
    let mut writer = kren_core::KrenWriter::create(&name, 4096).unwrap();
    writer.write(b"left").unwrap();
    for line in [
        "ls --watch 1000".to_owned(),
        format!("stat {name} --watch 1000"),
        format!("tail -f {name}"),
        // Nobody subscribes, so there always is room.
        format!("pub {news}"),
        format!("send {name}-rate --rate 0.001"),
    ] {
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        let mut command = Running::start(&line, zeros.into(), Stdio::null());
        wait_until("it to listen", || listens(command.0.id()));
        interrupt(command.0.id());
        assert_eq!(command.0.wait().unwrap().code(), Some(143), "{line}");
    }
    let _ = std::fs::remove_file(format!("{}-rate", name.path().display()));
}

/// What no service can take is not read for ever.
#[test]
fn a_request_without_an_end_is_refused() {
    let name = Name::new("endless");
    let _server = kren_core::KrenServer::create(&name).unwrap();
    let said = shell(&format!("kren call {name} < /dev/zero"));
    assert!(
        !said.status.success() && text(&said.stderr).contains("long"),
        "{said:?}"
    );
}

/// Whether a process has come so far that it handles a polite kill.
fn listens(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (15 - 1)) != 0)
}

/// As Ctrl-C, which a shell's background jobs ignore.
fn interrupt(pid: u32) {
    let done = std::process::Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn a_broadcast_reaches_every_subscriber_and_a_durable_one_later() {
    let name = Name::new("news");
    let mut publisher = Running::start(&format!("pub {name} -l"), Stdio::piped(), Stdio::null());
    wait_until("the broadcast", || !state(&name).is_empty());
    let mut subs: Vec<Running> = (0..2)
        .map(|_| Running::start(&format!("sub {name} -l"), Stdio::null(), Stdio::piped()))
        .collect();
    // It comes, goes, and has a place.
    let durable = format!("sub {name} -l -n 0 --durable log");
    output(&durable);
    let seats = || {
        let seen = kren_core::inspect::channel(&name).unwrap();
        let segment = seen.segment().unwrap();
        segment.readers.iter().filter(|side| side.is_live()).count()
    };
    wait_until("two subscribers", || seats() == 2);
    let mut input = publisher.0.stdin.take().unwrap();
    input.write_all(b"first\nsecond\n").unwrap();
    drop(input);
    assert!(publisher.0.wait().unwrap().success());
    for sub in &mut subs {
        assert!(sub.0.wait().unwrap().success());
        let mut received = String::new();
        sub.0
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut received)
            .unwrap();
        assert_eq!(received, "first\nsecond\n");
    }
    assert_eq!(state(&name), "undelivered");
    assert_eq!(output(&format!("tail {name} --lines")), "first\nsecond\n");
    assert_eq!(
        output(&format!("sub {name} -l --durable log")),
        "first\nsecond\n"
    );
}

/// A stream is whole while others look at it in every way.
#[test]
fn a_stream_is_not_disturbed_by_tail_top_and_ls() {
    let name = Name::new("watched");
    let done = shell(&format!(
        "seq 300000 | kren send {name} -l -c 256K & (kren tail -f {name} --lines --from oldest > /dev/null 2>&1 & echo $! > /dev/null);
         (while kren ls --json > /dev/null && kren top --once --json --interval 50ms > /dev/null && [ -e {} ]; do :; done) &
         kren recv {name} -l | cksum; seq 300000 | cksum; wait",
        name.path().display()
    ));
    let said = text(&done.stdout);
    let sums: Vec<&str> = said.lines().collect();
    assert_eq!(sums.len(), 2, "{said} {}", text(&done.stderr));
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn a_service_answers_a_call_in_parts_and_its_absence_has_a_code() {
    let name = Name::new("service");
    assert_eq!(failure(&format!("call {name} --data x")).0, 3);
    let mut server = kren_core::KrenServer::create(&name).unwrap();
    let serving = std::thread::spawn(move || {
        let mut request = server.next().unwrap();
        assert_eq!((&request[..], request.tag()), (&b"who"[..], 7));
        request.item(b"one").unwrap();
        request.item(b"two").unwrap();
        request.end().unwrap();
        let request = server.next().unwrap();
        let answer = request.to_ascii_uppercase();
        request.reply(&answer).unwrap();
    });
    assert_eq!(
        output(&format!("call {name} --data who --tag 7 --format lines")),
        "one\ntwo\n"
    );
    let done = shell(&format!("printf louder | kren call {name} --timeout 60"));
    assert_eq!(text(&done.stdout), "LOUDER", "{}", text(&done.stderr));
    serving.join().unwrap();
}
