//! Those who are not of the realm, not of this version, or no bridges at all.

use crate::support::machines;

#[test]
fn another_realm() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let _export = here.bridge(&[
        "export",
        "ticks",
        "--realm",
        "plant",
        "--listen",
        &here.endpoint(),
    ]);
    let _writer = here.worker("write ticks 0 10 100");
    let import = there.bridge(&[
        "import",
        "ticks",
        "--realm",
        "office",
        "--connect",
        &here.endpoint(),
    ]);
    import.says("in the realm 'office', but there is something in: plant");
}

/// Garbage on the port, garbage as frames, frames of another version: said, and nothing comes of it.
#[test]
fn garbage() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let export = here.bridge(&["export", "ticks", "--listen", &here.endpoint()]);
    export.says("listens on");
    let mut writer = here.worker("write ticks 0 2000 3000");
    export.says("'ticks' is exported");
    let script = format!(
        "exec 3<>/dev/tcp/{}/7447 && head -c 100000 /dev/urandom >&3; true",
        here.address
    );
    for _ in 0..3 {
        let status = there
            .command("bash")
            .args(["-c", &script])
            .stderr(std::process::Stdio::null())
            .status();
        assert!(status.is_ok());
    }
    let mut garbage = there.worker(&format!("say ticks {} garbage", here.endpoint()));
    garbage.says("linked");
    export.says("bytes that are no frame of a bridge");
    garbage.kill();
    let mut version = there.worker(&format!("say ticks {} version", here.endpoint()));
    version.says("linked");
    export.says(
        "'ticks': the other bridge speaks version 99 of the protocol, this one version 1: run the same KREN on both sides",
    );
    let import = there.bridge(&["import", "ticks", "--connect", &here.endpoint()]);
    let mut reader = there.worker("read ticks 2000 3000 0");
    writer.says("written");
    writer.go();
    reader.says("all");
    version.kill();
    drop(import);
}

/// What cannot be carried is refused with a sentence.
#[test]
fn other_kinds() {
    let Some((here, _there)) = machines("1g") else {
        return;
    };
    let mut queue = here.worker("queue work");
    queue.says("there");
    let export = here.bridge(&["export", "*", "--listen", &here.endpoint()]);
    export.says("'work' is not exported: it is of the kind 'work queue'");
    queue.go();
}
