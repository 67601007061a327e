//! Memory on the other machine that is not there, or no longer.

use crate::support::{machines, until};

/// Full: said so, and taken up when there is room again.
#[test]
fn shared_memory_there_is_full() {
    let Some((here, there)) = machines("2m") else {
        return;
    };
    let full = there
        .command("sh")
        .args(["-c", "head -c 1900000 /dev/zero > /dev/shm/full"])
        .status();
    assert!(full.unwrap().success());
    let _export = here.bridge(&["export", "ticks", "--listen", &here.endpoint()]);
    let import = there.bridge(&["import", "ticks", "--connect", &here.endpoint()]);
    let mut writer = here.worker("write ticks 0 100 3000");
    writer.says("written");
    import.says("'ticks': ");
    until("the status says why", || {
        let status = there.status();
        status["bridges"][0]["channels"][0]["state"]
            .as_str()
            .is_some_and(|state| state.contains("memory"))
    });
    assert!(
        there
            .command("rm")
            .arg("/dev/shm/full")
            .status()
            .unwrap()
            .success()
    );
    let mut reader = there.worker("read ticks 100 3000 0");
    writer.go();
    reader.says("all");
}

/// The mirror was removed with messages in it: nothing is passed off as complete.
#[test]
fn the_mirror_is_gone() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let mut export = here.bridge(&["export", "ticks", "--listen", &here.endpoint()]);
    let mut import = there.bridge(&["import", "ticks", "--connect", &here.endpoint()]);
    let mut writer = here.worker("write ticks 0 100 3000");
    writer.says("written");
    until("all of it is there", || {
        there.status()["bridges"][0]["channels"][0]["messages"] == 100
    });
    import.stop();
    export.stop();
    assert!(
        there
            .command("rm")
            .arg("/dev/shm/kren-ticks")
            .status()
            .unwrap()
            .success()
    );
    import.start(&there);
    export.start(&here);
    import.says("the mirror of 'ticks' is gone from this machine");
    export.says("--on-gap continue");
    import.stop();
    import.set("--on-gap", "continue");
    import.start(&there);
    import.says("it goes on with message 100");
    // What comes after the gap comes.
    let mut more = there.worker("read-after ticks 100");
    more.says("there");
    writer.go();
    more.says("all");
}
