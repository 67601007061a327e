//! Programs in C and C++, compiled for a test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// A compiler and the language it is asked for.
pub(crate) type Language = (&'static str, &'static str);

pub(crate) const LANGUAGES: [Language; 4] = [
    ("gcc", "-std=c11"),
    ("g++", "-std=c++17"),
    ("clang", "-std=c11"),
    ("clang++", "-std=c++17"),
];

/// Where cargo has put the library for these tests.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("this program has a path");
    test.parent().expect("it lies in a folder").to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn library() -> PathBuf {
    let ending = if cfg!(target_os = "macos") {
        "dylib"
    } else {
        "so"
    };
    built().join(format!("libkren.{ending}"))
}

/// A name that no other test has.
pub(crate) fn name(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("c-{what}-{}-{number}", std::process::id())
}

/// Whether the machine has this program; says so if not.
pub(crate) fn has(program: &str) -> bool {
    find(program).is_some()
}

/// The program by its own name, or the newest with a version behind it, as Debian installs clang; says so if there is none.
fn find(program: &str) -> Option<String> {
    let versions = (11..=40).rev();
    let mut names = std::iter::once(program.to_owned())
        .chain(versions.map(|version| format!("{program}-{version}")));
    let found = names.find(|name| {
        let mut version = Command::new(name);
        let output = version.arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// Whether a program can be linked with this flag: Debian has clang's sanitizers in a package of their own.
fn links(compiler: &str, flag: &str) -> bool {
    let folder = std::env::temp_dir().join(name("links"));
    fs::create_dir(&folder).expect("a folder of its own");
    let source = folder.join("empty.c");
    fs::write(&source, "int main(void) { return 0; }\n").expect("it is new");
    let mut command = Command::new(compiler);
    command
        .arg(flag)
        .arg(source)
        .arg("-o")
        .arg(folder.join("empty"));
    let output = command.output();
    let _ = fs::remove_dir_all(&folder);
    output.is_ok_and(|output| output.status.success())
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Waits until a process says this line.
pub(crate) fn hear(child: &mut Child, line: &str) {
    let output = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    assert_eq!(
        lines.next().expect("it says something").expect("text"),
        line
    );
}

/// A program that was compiled, in a folder of its own that goes with it.
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    folder: PathBuf,
}

impl Program {
    /// Compiles `tests/c/{source}` with every warning as an error; `None`: the compiler is not here.
    pub(crate) fn compile(language: Language, source: &str, flags: &[&str]) -> Option<Self> {
        let source = root().join("tests").join("c").join(source);
        Self::compile_file(language, |_| source, flags)
    }

    /// The same for an example, `file` of the folder `examples`.
    pub(crate) fn compile_example(language: Language, file: &str, flags: &[&str]) -> Option<Self> {
        let source = root().join("..").join("examples").join(file);
        Self::compile_file(language, |_| source, flags)
    }

    /// The same for a program's text.
    pub(crate) fn compile_text(language: Language, text: &str) -> Option<Self> {
        let source = |folder: &Path| {
            let file = folder.join("program.c");
            fs::write(&file, text).expect("a folder of its own");
            file
        };
        Self::compile_file(language, source, &[])
    }

    fn compile_file(
        (compiler, standard): Language,
        source: impl FnOnce(&Path) -> PathBuf,
        flags: &[&str],
    ) -> Option<Self> {
        let compiler = find(compiler)?;
        if let Some(sanitizer) = flags.iter().find(|flag| flag.starts_with("-fsanitize"))
            && !links(&compiler, sanitizer)
        {
            eprintln!("skipped: {compiler} has no libraries for {sanitizer}");
            return None;
        }
        let folder = std::env::temp_dir().join(name("compiled"));
        // What a process of this number that was killed has left.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder of its own");
        // By the name that programs look for as they start.
        std::os::unix::fs::symlink(library(), folder.join("libkren.so.0")).expect("a new link");
        let file = folder.join("program");
        let mut command = Command::new(compiler);
        command.args([
            standard,
            "-g",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wshadow",
            "-Werror",
        ]);
        command.args([
            "-x",
            if standard.starts_with("-std=c++") {
                "c++"
            } else {
                "c"
            },
        ]);
        // What only POSIX has, beside the standard's own.
        command
            .arg("-D_GNU_SOURCE")
            .arg("-I")
            .arg(root().join("include"));
        command.arg(source(&folder)).args(flags);
        command
            .args(["-x", "none"])
            .arg(library())
            .arg("-o")
            .arg(&file);
        run(&mut command);
        Some(Self { file, folder })
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        self.look_up(&mut command);
        command
    }

    /// Lets a program find the library.
    pub(crate) fn look_up(&self, command: &mut Command) {
        command
            .env("LD_LIBRARY_PATH", &self.folder)
            .env("DYLD_LIBRARY_PATH", built());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
