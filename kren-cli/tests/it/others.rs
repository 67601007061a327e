//! Channels of other users: listed as what they are, and left alone.

use crate::support::{Name, PATIENCE, TempFile, program, text};
use kren_core::{KrenReader, KrenWriter};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// The number of the user "nobody".
const NOBODY: u32 = 65534;

/// The program where everybody may run it.
struct Program(TempFile);

impl Program {
    fn new(name: &Name) -> Self {
        let file = TempFile::new(name, "-program");
        std::fs::copy(program(), &file.0).unwrap();
        std::fs::set_permissions(&file.0, PermissionsExt::from_mode(0o755)).unwrap();
        Self(file)
    }

    /// What it says to somebody else.
    fn says(&self, line: &str) -> (i32, String) {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(&self.0.0);
        command.args(line.split(' ')).uid(NOBODY).gid(NOBODY);
        let Output {
            status,
            stdout,
            stderr,
        } = command.current_dir("/").output().unwrap();
        let said = format!("{}{}", text(&stdout), text(&stderr));
        (status.code().unwrap_or(-1), said)
    }
}

/// G8: the list comes whatever others have made, and nothing of theirs is taken, changed or removed.
#[test]
fn channels_of_other_users_are_listed_and_left_alone() {
    let own =
        std::fs::metadata("/proc/self").map(|found| std::os::unix::fs::MetadataExt::uid(&found));
    if own.unwrap() != 0 {
        println!("skipped: only root can become another user");
        return;
    }
    // `doctor` names the first few: other tests may make a thousand beside these.
    let (shut, open) = (Name::new("0-shut"), Name::new("open"));
    let program = Program::new(&shut);
    let mut writers = [(&shut, 0o600), (&open, 0o666)]
        .map(|(name, mode)| KrenWriter::options().mode(mode).create(name, 4096).unwrap());
    for writer in &mut writers {
        writer.write(b"kept").unwrap();
    }

    let (code, list) = program.says("ls -o name,owner,mode,state");
    assert_eq!(code, 0, "{list}");
    let line = |name: &Name| {
        let found = list.lines().find(|line| line.starts_with(&**name));
        found
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(line(&shut)[1..], ["-", "-", "unreadable"], "{list}");
    assert_eq!(
        line(&open)[1..],
        ["0", "666", "waiting", "for", "a", "reader"],
        "{list}"
    );
    let (code, top) = program.says(&format!("top --once --filter {shut}"));
    assert!(code == 0 && top.contains("unreadable"), "{top}");
    let (code, stat) = program.says(&format!("stat {shut} --over 0"));
    assert!(code == 0 && stat.contains("mode"), "{code} {stat}");
    let (_, doctor) = program.says("doctor --quiet");
    assert!(doctor.contains(&*shut), "{doctor}");

    for line in [
        format!("recv {shut}"),
        format!("send {shut}"),
        format!("tail {shut}"),
        format!("recv {open}"),
        format!("send {open}"),
        format!("rm --force {open}"),
        format!("rm --force {shut}"),
    ] {
        let (code, said) = program.says(&line);
        assert_eq!(code, 8, "{line}: {said}");
        assert!(
            said.contains("kren: ") && said.contains('\''),
            "{line}: {said}"
        );
    }
    // That it is held comes first.
    assert_eq!(program.says(&format!("rm {open}")).0, 7);
    program.says("gc --all --yes");
    for (name, writer) in [&shut, &open].into_iter().zip(writers) {
        writer.close().unwrap();
        assert_eq!(
            &KrenReader::connect(name).unwrap().read().unwrap()[..],
            b"kept"
        );
    }
}
