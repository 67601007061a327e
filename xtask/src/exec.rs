//! Starting other programs: quietly with their output kept for a failure, or streamed to the console. Those that run
//! beside this one are in [`running`](crate::running).

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::root;
use crate::term::{self, Context as _, Failure, Result, Step};

/// Runs `command` as one step: a line while it works, and on failure the command, all it printed, and `advice`.
pub(crate) fn step(what: &str, command: Command, advice: &str) -> Result<()> {
    let step = Step::begin(what);
    let shown = describe(&command);
    match captured(command) {
        Ok((status, _)) if status.success() => {
            step.done();
            Ok(())
        }
        Ok((status, output)) => {
            step.failed();
            println!("    $ {shown}\n{}", output.trim_end());
            term::flush();
            let hint = hint(&output).unwrap_or(advice);
            Err(Failure::new(format!(
                "{what} failed ({}): {hint}",
                ending(status)
            )))
        }
        Err(error) => {
            step.failed();
            Err(Failure::new(format!("{what}: cannot run {shown}: {error}")))
        }
    }
}

/// What the output of a failed command says to do, for the failures that a fresh machine meets.
fn hint(output: &str) -> Option<&'static str> {
    const HINTS: &[(&str, &str)] = &[
        (
            "linker `cc` not found",
            "install a C linker (Debian: apt-get install gcc libc6-dev; macOS: xcode-select --install)",
        ),
        (
            "linker `link.exe` not found",
            "install the Visual Studio Build Tools with \"Desktop development with C++\"",
        ),
        (
            "cannot find crti.o",
            "install the C library's development files (Debian: apt-get install libc6-dev)",
        ),
        (
            "No space left on device",
            "free some disk space, then run this again",
        ),
        (
            "no such command: `clippy`",
            "install clippy: rustup component add clippy",
        ),
        (
            "no such command: `fmt`",
            "install rustfmt: rustup component add rustfmt",
        ),
        (
            "'cargo-clippy' is not installed",
            "install clippy: rustup component add clippy",
        ),
        (
            "'cargo-fmt' is not installed",
            "install rustfmt: rustup component add rustfmt",
        ),
        ("requires rustc", "install a newer Rust: rustup update"),
        (
            "Could not resolve host",
            "the package registry was not reached: check the network",
        ),
        (
            "Temporary failure in name resolution",
            "the package registry was not reached: check the network",
        ),
        (
            "ENOTFOUND",
            "the npm registry was not reached: check the network",
        ),
    ];
    HINTS
        .iter()
        .find(|(sign, _)| output.contains(sign))
        .map(|(_, hint)| *hint)
}

/// Runs `command` to its end with no standard input; gives its status and everything it printed, in order.
pub(crate) fn captured(command: Command) -> io::Result<(ExitStatus, String)> {
    let (mut child, mut output) = spawn_merged(command)?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok((child.wait()?, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Like [`captured`], and shows each line as it comes.
pub(crate) fn streamed(command: Command) -> Result<(ExitStatus, String)> {
    let shown = describe(&command);
    let (mut child, output) = spawn_merged(command).context(format!("cannot run {shown}"))?;
    let mut text = String::new();
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).context(&shown)? > 0 {
        let shown_line = String::from_utf8_lossy(&line);
        print!("{shown_line}");
        term::flush();
        text.push_str(&shown_line);
        line.clear();
    }
    Ok((child.wait().context(&shown)?, text))
}

/// Standard output and standard error share one pipe, so that what was printed keeps its order.
pub(crate) fn spawn_merged(mut command: Command) -> io::Result<(Child, io::PipeReader)> {
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let child = command.spawn()?;
    // `command` holds the writing ends; dropping it here lets the reader see the end of the output.
    drop(command);
    Ok((child, reader))
}

/// The first line of what `command` prints to standard output, if it runs and succeeds.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Writes `text` to `file`, and makes the folders it lies in.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        create_folder(folder)?;
    }
    std::fs::write(file, text).context(file.display())
}

/// Makes `folder`, and those it lies in, where they are missing.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).context(folder.display())
}

/// Makes `folder` anew: what was in it is gone.
pub(crate) fn fresh_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context(folder.display())?;
    }
    create_folder(folder)
}

/// The command as a person would type it at the root of the repository.
pub(crate) fn describe(command: &Command) -> String {
    let root = root::root();
    let dir = command.get_current_dir().unwrap_or(&root);
    let mut line = String::new();
    if let Ok(inner) = dir.strip_prefix(&root)
        && inner != Path::new("")
    {
        let _ = write!(line, "cd {} && ", inner.display());
    }
    let program = Path::new(command.get_program());
    let program = match program.strip_prefix(dir) {
        Ok(inner) => inner,
        Err(_) if program.starts_with(&root) => program,
        Err(_) => Path::new(program.file_name().unwrap_or_default()),
    };
    let _ = write!(line, "{}", program.display());
    for argument in command.get_args() {
        let argument = Path::new(argument)
            .strip_prefix(dir)
            .unwrap_or(Path::new(argument))
            .display();
        let argument = argument.to_string();
        let quote = if argument.is_empty() || argument.contains(' ') {
            "\""
        } else {
            ""
        };
        let _ = write!(line, " {quote}{argument}{quote}");
    }
    line
}

/// How a process ended, in words.
pub(crate) fn ending(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("killed by signal {signal}");
    }
    status.code().map_or_else(
        || "no exit code".to_owned(),
        |code| format!("exit code {code}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is_typed_at_the_root() {
        let root = root::root();
        let mut command = Command::new(root.join("kren-python").join("tool"));
        command
            .current_dir(root.join("kren-python"))
            .args(["-m", "two words"]);
        assert_eq!(
            describe(&command),
            "cd kren-python && tool -m \"two words\""
        );
        let mut command = Command::new("/somewhere/bin/cargo");
        command.current_dir(&root).arg("test");
        assert_eq!(describe(&command), "cargo test");
    }
}
