//! Help, completions and manual pages.

use crate::support::{Name, kren, output, text};
use kren_core::KrenWriter;

#[test]
fn every_command_has_help_with_examples_and_a_manual_page() {
    let help = output("--help");
    let commands = [
        "ls",
        "stat",
        "top",
        "send",
        "recv",
        "tail",
        "pub",
        "sub",
        "call",
        "record",
        "replay",
        "gc",
        "rm",
        "doctor",
        "bench",
        "completions",
        "man",
    ];
    let folder = std::env::temp_dir().join(&*Name::new("man"));
    output(&format!("man --to {}", folder.display()));
    for command in commands {
        assert!(help.contains(&format!("  {command}")), "{command}");
        let help = output(&format!("{command} --help"));
        assert!(help.contains("Examples:"), "{command}: {help}");
        let page = folder.join(format!("kren-{command}.1"));
        assert!(page.exists(), "{}", page.display());
    }
    assert!(output("man").contains(".TH"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn shells_complete_the_names_of_channels() {
    let name = Name::new("complete");
    let _writer = KrenWriter::create(&name, 4096).unwrap();
    // A terminal is not told what to do by a name.
    let odd = Name::new("complete\u{1b}[31m");
    std::fs::write(odd.path(), "").unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            output(&format!("completions {shell}")).contains("kren"),
            "{shell}"
        );
    }
    let found = kren("-- kren stat cli-complete")
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .output()
        .unwrap();
    assert!(
        text(&found.stdout).lines().any(|line| line == &*name),
        "{found:?}"
    );
    assert!(!text(&found.stdout).contains('\u{1b}'), "{found:?}");
}
