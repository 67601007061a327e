//! Passwords and certificates, which are zenoh's, and the manager of services.

use crate::support::{Machine, machines};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

fn file(here: &Machine, name: &str, text: &str) -> String {
    let path = here.folder().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn carries(here: &Machine, there: &Machine) {
    let mut writer = here.worker("write ticks 0 100 3000");
    let mut reader = there.worker("read ticks 100 3000 0");
    writer.says("written");
    writer.go();
    reader.says("all");
}

/// Who has no password stays outside.
#[test]
fn users_and_passwords() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let users = file(&here, "users", "hall-3:secret\n");
    let export = file(
        &here,
        "export.toml",
        &format!("[auth]\nusers = '{users}'\nuser = 'here'\npassword = 'x'\n"),
    );
    let import = file(
        &here,
        "import.toml",
        "[auth]\nuser = 'hall-3'\npassword = 'secret'\n",
    );
    let wrong = file(
        &here,
        "wrong.toml",
        "[auth]\nuser = 'hall-3'\npassword = 'guessed'\n",
    );
    let _export = here.bridge(&[
        "export",
        "ticks",
        "--listen",
        &here.endpoint(),
        "--config",
        &export,
    ]);
    let mut stranger = there.bridge(&[
        "import",
        "ticks",
        "--connect",
        &here.endpoint(),
        "--config",
        &wrong,
    ]);
    stranger.says("no other bridge has been reached yet");
    stranger.stop();
    let _import = there.bridge(&[
        "import",
        "ticks",
        "--connect",
        &here.endpoint(),
        "--config",
        &import,
    ]);
    carries(&here, &there);
}

/// With certificates on both sides.
#[test]
fn certificates() {
    let Some((here, there)) = machines("1g") else {
        return;
    };
    let script = "
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca &&
        for side in here there; do
            openssl req -newkey rsa:2048 -nodes -keyout $side.key -out $side.csr -subj /CN=$side &&
            echo 'subjectAltName=IP:10.77.0.1' > ext &&
            openssl x509 -req -in $side.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $side.pem -days 2 -extfile ext || exit 1
        done";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(here.folder())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("skipped: openssl makes no certificates here");
        return;
    }
    let config = |side: &str| {
        let folder = here.folder().display();
        let text = format!(
            "[tls]\nca = '{folder}/ca.pem'\ncertificate = '{folder}/{side}.pem'\nkey = '{folder}/{side}.key'\nmutual = true\n"
        );
        file(&here, &format!("{side}.toml"), &text)
    };
    let endpoint = format!("tls/{}:7447", here.address);
    let _export = here.bridge(&[
        "export",
        "ticks",
        "--listen",
        &endpoint,
        "--config",
        &config("here"),
    ]);
    let _import = there.bridge(&[
        "import",
        "ticks",
        "--connect",
        &endpoint,
        "--config",
        &config("there"),
    ]);
    carries(&here, &there);
}

/// A service of `Type=notify`: ready when it listens, and a polite kill is an orderly end.
#[test]
fn a_service() {
    let folder = std::env::temp_dir().join(format!("kren-bridge-service-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    let config = folder.join("bridge.toml");
    let text = format!(
        "export = ['none-such']\nlisten = ['tcp/127.0.0.1:0']\nstate = '{}'\n",
        folder.display()
    );
    fs::write(&config, text).unwrap();
    let mut bridge = Command::new(env!("CARGO_BIN_EXE_kren-bridge"))
        .args(["run", "--config"])
        .arg(&config)
        .env("NOTIFY_SOCKET", folder.join("notify"))
        .spawn()
        .unwrap();
    let told = || {
        let mut bytes = [0; 100];
        let len = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    };
    assert_eq!(told(), "READY=1");
    assert!(
        Command::new("kill")
            .arg(bridge.id().to_string())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(told(), "STOPPING=1");
    assert!(bridge.wait().unwrap().success());
    fs::remove_dir_all(&folder).unwrap();
}
