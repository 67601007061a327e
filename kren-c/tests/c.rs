//! The library as C and C++ programs have it: compiled against the header without a warning, linked, and run.
//!
//! What each function does is checked in C (`tests/c`), where users are; this file compiles that in each way there is, and plays the
//! processes. A compiler or tool that this machine lacks is left out, and said so.
#![cfg(unix)]

mod compiled;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kren_core::array::DType;

use compiled::{LANGUAGES, Program, has, name, run};

/// Runs a program whose channels' names begin with `prefix`, and looks that none of them is left.
fn leaves_nothing(mut program: Command, prefix: &str) {
    run(program.arg(prefix));
    if !cfg!(target_os = "linux") {
        return;
    }
    let left: Vec<_> = kren_core::inspect::channels()
        .expect("they are listed")
        .into_iter()
        .filter(|channel| channel.name.starts_with(prefix))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// C11 and C++17, by every compiler that is there: no warning, and everything does what the header says.
#[test]
fn every_function_does_what_its_header_says() {
    for language in LANGUAGES {
        let Some(program) = Program::compile(language, "patterns.c", &[]) else {
            continue;
        };
        leaves_nothing(program.command(), &name("patterns"));
    }
}

/// `kren.hpp`: as C++17 and C++20, without exceptions, and under the sanitizers.
#[test]
fn owners_do_what_their_header_says() {
    let ways: [(&str, &[&str]); 3] = [
        ("-std=c++17", &["-pthread"]),
        (
            "-std=c++20",
            &[
                "-pthread",
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
            ],
        ),
        ("-std=c++17", &["-fno-exceptions", "-DKREN_NO_EXCEPTIONS"]),
    ];
    for compiler in ["g++", "clang++"] {
        for (standard, flags) in ways {
            if let Some(program) = Program::compile((compiler, standard), "owners.cpp", flags) {
                leaves_nothing(program.command(), &name("owners"));
            }
        }
    }
}

/// The same under AddressSanitizer and UndefinedBehaviorSanitizer, with every leak found.
#[test]
fn sanitizers_find_nothing() {
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for language in LANGUAGES {
        let Some(program) = Program::compile(language, "patterns.c", &flags) else {
            continue;
        };
        leaves_nothing(program.command(), &name("sanitized"));
    }
}

/// The same under valgrind.
#[test]
fn valgrind_finds_nothing() {
    if !has("valgrind") {
        return;
    }
    let program = Program::compile(LANGUAGES[0], "patterns.c", &[]).expect("a C compiler");
    let mut valgrind = Command::new("valgrind");
    valgrind.args([
        "--quiet",
        "--error-exitcode=1",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite",
    ]);
    program.look_up(&mut valgrind);
    run(valgrind.arg(&program.file).arg(name("valgrind")));
}

/// G1, G2: every message once, in order and whole, between two processes.
#[test]
fn a_stream_between_processes_is_whole() {
    let program = Program::compile(LANGUAGES[0], "sides.c", &["-pthread"]).expect("a C compiler");
    let channel = name("sides");
    let mut writer = program
        .command()
        .args(["write", &channel])
        .spawn()
        .expect("it starts");
    run(program.command().args(["read", &channel]));
    assert!(writer.wait().expect("it ends").success());
}

/// A message wakes a reader that sleeps, whichever way it took through the library, and so does room a writer that sleeps.
#[test]
fn every_message_wakes_its_reader() {
    is_done_at_once(["swing-back", "swing"]);
}

/// Room wakes a writer that sleeps for it also where the reader polls, and has its next message at once.
#[test]
fn room_wakes_its_writer() {
    is_done_at_once(["push", "pull"]);
}

/// Two sides that keep each other waiting some thousand times.
fn is_done_at_once(sides: [&str; 2]) {
    let program = Program::compile(LANGUAGES[0], "sides.c", &["-pthread"]).expect("a C compiler");
    let channel = name(sides[0]);
    let begin = Instant::now();
    let mut first = program
        .command()
        .args([sides[0], &channel])
        .spawn()
        .expect("it starts");
    run(program.command().args([sides[1], &channel]));
    assert!(first.wait().expect("it ends").success());
    // Tenths of a second; a sleeper that nobody wakes looks every 100 ms, which would be minutes.
    assert!(begin.elapsed() < Duration::from_secs(60));
}

/// Every golden message of the format: read as what it is and written again byte for byte, or refused.
#[test]
fn golden_arrays_are_read_and_written() {
    let program = Program::compile(LANGUAGES[0], "golden.c", &[]).expect("a C compiler");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec/payloads");
    let cases = std::fs::read_to_string(folder.join("cases.json")).expect("the cases");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&cases).expect("JSON");
    let describe = |array: &serde_json::Value| {
        let dtype = array["dtype"].as_str().and_then(DType::from_name);
        let dtype = dtype.expect("a type of the table");
        let number = u32::from(dtype.code()) << 8 | u32::from(dtype.bits());
        let shape = array["shape"].as_array().expect("a shape").iter();
        let shape: Vec<_> = shape.map(ToString::to_string).collect();
        let name = array["name"].as_str().unwrap_or_default();
        format!("{name}:{number}:{}", shape.join(","))
    };
    let mut golden = program.command();
    golden.arg(name("golden"));
    let mut expected = String::new();
    for case in &cases {
        let file = folder.join(case["file"].as_str().expect("a file"));
        golden.arg(file).arg(case["kind"].as_str().expect("a kind"));
        match case["kind"].as_str() {
            Some("array") => expected += &format!("{}\n", describe(case)),
            Some("arrays") => {
                for part in case["parts"].as_array().expect("parts") {
                    expected += &format!("{}\n", describe(part));
                }
            }
            _ => {}
        }
    }
    let output = golden.output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert!(cases.len() > 60);
}

/// G4: a writer that is killed is told from one that closes, and what it committed is read; what it had reserved is not.
#[test]
fn a_killed_writer_has_died() {
    let program = Program::compile(LANGUAGES[0], "sides.c", &["-pthread"]).expect("a C compiler");
    let channel = name("killed");
    let start = |side| {
        let mut command = program.command();
        command
            .args([side, channel.as_str()])
            .stdout(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let mut writer = start("hang");
    compiled::hear(&mut writer, "ready");
    let mut reader = start("hear");
    compiled::hear(&mut reader, "heard");
    writer.kill().expect("it runs");
    writer.wait().expect("it ends");
    assert!(reader.wait().expect("it ends").success());
}

/// C++20: each message of a stream is awaited on asio's loop, beside a timer. Where asio is not installed this is left out, and said so.
#[test]
fn messages_are_awaited_on_a_loop_of_asio() {
    let has_asio = std::path::Path::new("/usr/include/asio.hpp").exists();
    if !has_asio {
        eprintln!("skipped: asio is not installed (Debian: libasio-dev)");
        return;
    }
    let cpp = ("g++", "-std=c++20");
    let (Some(writer), Some(reader)) = (
        Program::compile_example(cpp, "cpp/stream_writer.cpp", &[]),
        Program::compile_example(cpp, "asio/stream_reader.cpp", &["-pthread"]),
    ) else {
        return;
    };
    let channel = name("asio");
    let mut write = writer.command();
    write.args([&channel, "50000"]).stdout(Stdio::piped());
    let write = write.spawn().expect("it starts");
    let read = reader.command().arg(&channel).output().expect("it starts");
    let wrote = write.wait_with_output().expect("it ends");
    let said = |output: &std::process::Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text.replace("sent", "received")
    };
    assert_eq!(
        said(&read),
        said(&wrote),
        "the number, and the hash of all bytes"
    );
}

/// Two threads on one handle: the second one gets a code.
#[test]
fn a_second_thread_is_told() {
    let program = Program::compile(LANGUAGES[0], "sides.c", &["-pthread"]).expect("a C compiler");
    run(program.command().args(["threads", &name("threads")]));
}

/// What the library exports is what the committed list says.
#[cfg(target_os = "linux")]
#[test]
fn the_symbols_are_those_of_the_list() {
    if !has("nm") {
        return;
    }
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--format=just-symbols"]);
    let output = nm.arg(compiled::library()).output().expect("nm runs");
    let mut found: Vec<_> = std::str::from_utf8(&output.stdout)
        .expect("text")
        .lines()
        .collect();
    found.sort_unstable();
    let listed: Vec<_> = include_str!("symbols.txt").lines().collect();
    assert_eq!(
        found, listed,
        "tests/symbols.txt is the list of what users may link to"
    );
}

/// The programs that the guide and the README show compile without a warning, and run.
#[test]
fn the_programs_of_the_guide_run() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for page in ["README.md", "docs/guide/c.md", "kren-c/README.md"] {
        let text = std::fs::read_to_string(root.join(page)).expect("the page");
        for (kind, language) in [("```c\n", LANGUAGES[0]), ("```cpp\n", LANGUAGES[1])] {
            for block in text.split(kind).skip(1) {
                let code = block.split("```").next().expect("a block");
                // Others are parts of programs.
                if !code.contains("int main") {
                    continue;
                }
                let channel = name("guide");
                let code = code.replace("my_channel", &channel);
                if let Some(program) = Program::compile_text(language, &code) {
                    // A reader alone finds no channel, and says so.
                    let status = program.command().status().expect("it starts");
                    assert_eq!(status.success(), code.contains("riter"), "{page}: {code}");
                    count += 1;
                }
            }
        }
    }
    assert!(count >= 3, "{count} programs were found");
}
