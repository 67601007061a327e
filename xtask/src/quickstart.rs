//! The README's first programs, as they stand there: Python writes, Node reads, in processes of their own.
//!
//! Run with whatever Python and Node a caller gives: the installed packages here, or another system's.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;
use crate::term::{Context as _, Failure, Result};
use crate::workspace::Workspace;

/// How the two sides are started, and what the system is like.
pub(crate) struct Sides<'a> {
    /// Where the programs are written to; Node finds the package from here.
    pub(crate) folder: &'a Path,
    pub(crate) python: &'a dyn Fn(&Path) -> Command,
    pub(crate) node: &'a dyn Fn(&Path) -> Command,
    /// Where a channel lives only as long as one of its sides, the writer has to wait for its reader.
    pub(crate) drains: bool,
}

/// What the README says to add on such a system.
const DRAIN: &str = "writer.drain(timeout=10)";

/// What the reader prints.
const RECEIVED: &str = "Received: Hello from Python!";

/// Runs both programs; the channel's name alone is another.
pub(crate) fn run(workspace: &Workspace, sides: &Sides<'_>) -> Result<()> {
    let readme = workspace.root.join("README.md");
    let text = fs::read_to_string(&readme).context(readme.display())?;
    let block = |language: &str| {
        first_block(&text, language)
            .ok_or_else(|| Failure::new(format!("{} has no {language} program", readme.display())))
    };
    let channel = format!("quickstart-{}", std::process::id());
    let write = |file: &str, program: &str| -> Result<PathBuf> {
        let path = sides.folder.join(file);
        exec::write(&path, &program.replace("my_channel", &channel))?;
        Ok(path)
    };
    let mut writing = block("python")?.to_owned();
    if sides.drains {
        if !text.contains(DRAIN) {
            return Err(Failure::new(format!(
                "{} no longer says {DRAIN}",
                readme.display()
            )));
        }
        writing += DRAIN;
    }
    let writer = (sides.python)(&write("quickstart_writer.py", &writing)?);
    // As CommonJS, whatever the folder's packages are.
    let reader = (sides.node)(&write("quickstart_reader.cjs", block("js")?)?);
    let received = if sides.drains {
        during(writer, reader)?
    } else {
        after(writer, reader)?
    };
    if received.lines().any(|line| line.trim_end() == RECEIVED) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the README's reader did not say '{RECEIVED}' but: {}",
        received.trim()
    )))
}

/// The reader starts when the writer's process has gone.
fn after(writer: Command, reader: Command) -> Result<String> {
    let shown = exec::describe(&writer);
    let (status, output) = exec::captured(writer).context(&shown)?;
    if !status.success() || !output.starts_with("Written. Available space: ") {
        return Err(Failure::new(format!(
            "the README's writer failed: {}",
            output.trim()
        )));
    }
    read(reader)
}

/// The reader starts when the writer says that it has written, and the writer then ends by itself.
fn during(writer: Command, reader: Command) -> Result<String> {
    let shown = exec::describe(&writer);
    let (mut child, said) = exec::spawn_merged(writer).context(&shown)?;
    let mut before = Vec::new();
    let mut written = false;
    for line in BufReader::new(said).lines() {
        let line = line.context(&shown)?;
        written = line.starts_with("Written. Available space: ");
        before.push(line);
        if written {
            break;
        }
    }
    let received = if written {
        read(reader)
    } else {
        Err(Failure::new(format!(
            "the README's writer ended before it had written: {}",
            before.join(" ")
        )))
    };
    let status = child.wait().context(&shown)?;
    match received {
        Ok(_) if !status.success() => Err(Failure::new(format!(
            "the README's writer failed: {status}"
        ))),
        received => received,
    }
}

fn read(reader: Command) -> Result<String> {
    let shown = exec::describe(&reader);
    let (_, output) = exec::captured(reader).context(shown)?;
    Ok(output)
}

/// The first program in this language.
fn first_block<'a>(markdown: &'a str, language: &str) -> Option<&'a str> {
    let (_, rest) = markdown.split_once(&format!("```{language}\n"))?;
    rest.split_once("```").map(|(block, _)| block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_of_a_language_is_found() {
        let text = "a\n```js\none\n```\n```python\ntwo\n```\n```js\nthree\n```\n";
        assert_eq!(first_block(text, "js"), Some("one\n"));
        assert_eq!(first_block(text, "python"), Some("two\n"));
        assert_eq!(first_block(text, "rust"), None);
    }
}
