//! What is carried: messages as they are, how the stream ended, broadcasts; and what is said of it.

use crate::support::{Machine, machines, until};

/// Empty and longest messages, tags, alignment, schema, and the writer's death.
#[test]
fn all_that_a_channel_is() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let _export = here.bridge(&["export", "orders.*", "--listen", &here.endpoint()]);
    let _import = there.bridge(&["import", "orders.*", "--connect", &here.endpoint()]);
    let mut writer = here.worker("schema orders.new");
    let mut reader = there.worker("schema-read orders.new");
    writer.says("written");
    reader.says("read");
    writer.go();
    reader.says("died");
    reader.ends();
}

/// A close is a close there too; then nothing of the channel is left on either machine, and the next one of the name is carried as well.
#[test]
fn one_stream_after_the_other() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let _export = here.bridge(&["export", "ticks", "--listen", &here.endpoint()]);
    let import = there.bridge(&["import", "*", "--connect", &here.endpoint()]);
    for _ in 0..2 {
        let mut writer = here.worker("write ticks 0 500 3000");
        let mut reader = there.worker("read ticks 500 3000 0");
        writer.says("written");
        until("the status of a channel that is carried", || {
            let status = there.status();
            let channel = &status["bridges"][0]["channels"][0];
            channel["name"] == "ticks" && channel["messages"] == 500 && channel["machine"] == "here"
        });
        // Each side writes its own down twice a second.
        until("the status of a channel that is sent", || {
            let status = here.status();
            let channel = &status["bridges"][0]["channels"][0];
            channel["direction"] == "export" && channel["kind"] == "channel"
        });
        writer.go();
        reader.says("all");
        reader.go();
        reader.ends();
        writer.ends();
        for machine in [&here, &there] {
            until("nothing left of the channel", || {
                let list = machine.command("ls").arg("/dev/shm").output().unwrap();
                !String::from_utf8_lossy(&list.stdout).contains("kren-ticks")
            });
        }
    }
    import.says("'ticks' has ended: its writer has closed");
}

/// `kren` tells on both machines what the bridges say, in figures and in words.
#[test]
fn seen_by_kren() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let _export = here.bridge(&["export", "ticks", "--listen", &here.endpoint()]);
    let import = there.bridge(&["import", "ticks", "--connect", &here.endpoint()]);
    let mut writer = here.worker("write ticks 0 500 3000");
    writer.says("written");
    import.says("'ticks' comes from here");
    if here.kren("ls").is_none() {
        return;
    }
    let bridge_of = |machine: &Machine| {
        let list = machine.kren("ls ticks --json").unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        list["channels"][0]["bridge"].clone()
    };
    until("all is there, as kren sees it here", || {
        let bridge = bridge_of(&here);
        let figures = ["messages", "lag_messages", "lag_bytes"];
        let is_done = figures.map(|figure| bridge[figure].as_u64()) == [500, 0, 0].map(Some);
        is_done && bridge["resends"].is_u64() && bridge["round_trip_us"].as_u64() > Some(0)
    });
    let bridge = bridge_of(&here);
    assert_eq!(
        (&bridge["direction"], &bridge["machine"]),
        (&"export".into(), &"there".into())
    );
    until("all is there, as kren sees it there", || {
        let bridge = bridge_of(&there);
        bridge["direction"] == "import" && bridge["machine"] == "here" && bridge["messages"] == 500
    });
    for words in ["ls", "stat ticks", "top --once --filter ticks"] {
        let text = here.kren(words).unwrap();
        assert!(
            text.contains("to there: 0 behind (0 B), round trip "),
            "{text}"
        );
        assert!(text.contains(" resend"), "{text}");
        let text = there.kren(words).unwrap();
        assert!(
            text.contains("from here: ") && text.contains(" filled, "),
            "{text}"
        );
    }
    writer.go();
}

/// The bridge's place in a broadcast is durable, so a subscriber there misses nothing while bridges die.
#[test]
fn a_broadcast_over_killed_bridges() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let mut export = here.bridge(&["export", "news", "--listen", &here.endpoint()]);
    let mut import = there.bridge(&["import", "news", "--connect", &here.endpoint()]);
    let mut publisher = here.worker("publish news 3000 20000");
    let mut subscribers = [(); 2].map(|()| there.worker("subscribe news 3000 20000"));
    publisher.says("subscribed");
    for subscriber in &mut subscribers {
        subscriber.says("subscribed");
    }
    publisher.go();
    subscribers[0].says("half");
    import.kill();
    import.start(&there);
    export.kill();
    export.start(&here);
    publisher.says("written");
    publisher.go();
    for subscriber in &mut subscribers[..1] {
        subscriber.says("all");
    }
    subscribers[1].says("half");
    subscribers[1].says("all");
}
