//! libkren on Windows: the DLL and its import library as the archive has them, programs in C compiled against it by mingw, in C++ with the
//! static library, and run under wine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::wine;
use crate::count::Count;
use crate::examples::cast::Language;
use crate::examples::pairs::{self, Program};
use crate::exec::{self, step};
use crate::libkren::{self, Layout};
use crate::second;
use crate::targets::{Builder, MINGW, MINGW_CPP};
use crate::term::{self, Failure, Result, Step};
use crate::workspace::Workspace;

/// A language, and how it is linked.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    /// Of the examples; the ending of their names too.
    folder: &'static str,
    compiler: &'static str,
    standard: &'static str,
    linked: &'static [&'static str],
}

/// Against the import library.
const C: Kind = Kind {
    folder: "c",
    compiler: MINGW,
    standard: "-std=c11",
    linked: &["-lkren"],
};
/// With the static library.
const CPP: Kind = Kind {
    folder: "cpp",
    compiler: MINGW_CPP,
    standard: "-std=c++17",
    linked: &["-l:libkren.a", "-static"],
};

/// What is played in all pairs with Rust's programs.
const SOURCES: [&str; 6] = [
    "hello_writer",
    "hello_reader",
    "stream_writer",
    "stream_reader",
    "frames_writer",
    "frames_reader",
];

pub(super) fn run(
    workspace: &Workspace,
    builder: &Builder<'_>,
    prefix: &Path,
    programs: &[Program],
) -> Result<Count> {
    let unpacked = archive(workspace, builder)?;
    let folder = second::folder(workspace).join("windows-c");
    exec::fresh_folder(&folder)?;
    let compile = |kind: Kind, source: &Path, folder: &Path| {
        let name = source.file_stem().unwrap_or_default();
        let mut compile = Command::new(kind.compiler);
        compile.args([
            kind.standard,
            "-O2",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
        ]);
        // As POSIX prints, which the programs' texts are compared by.
        compile.arg("-D__USE_MINGW_ANSI_STDIO=1");
        compile.arg("-I").arg(unpacked.join("include")).arg(source);
        compile.arg("-L").arg(unpacked.join("lib"));
        compile.args(kind.linked);
        if kind == CPP {
            compile.args(libkren::private_on_windows());
        }
        compile
            .arg("-o")
            .arg(folder.join(name).with_extension("exe"));
        step(
            &format!("Windows: {} in {}", name.display(), kind.folder),
            compile,
            "read the compiler's output above",
        )
    };
    for kind in [C, CPP] {
        let made = folder.join(kind.folder);
        exec::create_folder(&made)?;
        let examples = workspace.examples().join(kind.folder);
        for source in SOURCES {
            compile(
                kind,
                &examples.join(source).with_extension(kind.folder),
                &made,
            )?;
        }
    }
    // Beside the programs, which find it there.
    let library = unpacked.join("bin").join("kren.dll");
    std::fs::copy(&library, folder.join(C.folder).join("kren.dll"))
        .map_err(|error| Failure::new(format!("{}: {error}", library.display())))?;
    let tests = workspace.root.join("kren-c").join("tests").join("c");
    compile(C, &tests.join("patterns.c"), &folder.join(C.folder))?;

    let own = format!("cross-c-{}", std::process::id());
    let in_wine = |program: PathBuf| {
        let mut command = Command::new(wine::PROGRAM);
        wine::within(command.arg(program), prefix);
        command
    };
    let place = |language| match language {
        Language::C => folder.join(C.folder),
        Language::Cpp => folder.join(CPP.folder),
        _ => builder.folder(),
    };
    let launch =
        |language: Language, file: &str| in_wine(place(language).join(file).with_extension("exe"));
    let mut count = passes(launch(Language::C, "patterns").arg(&own))?;
    term::heading("Windows: each example in C, C++ and Rust, writer -> reader");
    let languages = [Language::Rust, Language::C, Language::Cpp];
    count += pairs::all(programs, &languages, &own, &launch);
    Ok(count)
}

/// What a release has, laid out; gives the folder.
fn archive(workspace: &Workspace, builder: &Builder<'_>) -> Result<PathBuf> {
    let mut cargo = builder.cargo()?;
    cargo.args(["--package", "kren-c", "--package", "kren-examples"]);
    step(
        "Windows: libkren, and the Rust examples",
        cargo,
        "read the compiler's output above",
    )?;
    let layout = Layout {
        workspace,
        version: workspace.version()?,
        built: builder.folder().join(builder.target.library("kren")),
        lib: "lib".to_owned(),
    };
    let folder = second::folder(workspace);
    libkren::pack_archive(&layout, "windows-libkren", &folder, &folder)?;
    Ok(folder.join("windows-libkren"))
}

/// kren-c's own test of every function, which fails if anything is not so.
fn passes(test: &mut Command) -> Result<Count> {
    let running = Step::begin("Windows: every function of libkren");
    let output = test
        .output()
        .map_err(|error| Failure::new(format!("{}: {error}", wine::PROGRAM)))?;
    if output.status.success() {
        running.done();
    } else {
        running.failed();
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Count::one(output.status.success()))
}
