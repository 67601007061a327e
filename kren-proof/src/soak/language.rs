//! The languages that workers are written in, and how to start them.

use super::process;
use super::worker::shown;
use crate::flags::Flags;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// In place of an ending: there is a program for each worker, and `program` is their folder.
const PROGRAMS: &str = "/";

#[derive(Debug, Clone)]
pub(super) struct Language {
    pub(super) name: &'static str,
    program: String,
    /// What its scripts are called; this program's own workers have none.
    ending: &'static str,
    /// Its readers may release a message before they can note it, because they hand out copies.
    pub(super) copies: bool,
}

impl Language {
    /// Those that the command line asks for.
    pub(super) fn chosen(flags: &Flags) -> Result<Vec<Self>, String> {
        let named = flags.text("languages").unwrap_or("rust").split(',');
        named
            .map(|name| match name {
                "rust" => Ok(Self {
                    name: "rust",
                    program: std::env::current_exe()
                        .map_err(shown)?
                        .to_string_lossy()
                        .into_owned(),
                    ending: "",
                    copies: false,
                }),
                "python" => Ok(Self {
                    name: "python",
                    program: flags.text("python").unwrap_or("python3").to_owned(),
                    ending: "py",
                    copies: true,
                }),
                "node" => Ok(Self {
                    name: "node",
                    program: flags.text("node").unwrap_or("node").to_owned(),
                    ending: "mjs",
                    copies: true,
                }),
                "c" => Ok(Self {
                    name: "c",
                    program: flags
                        .text("c")
                        .ok_or("--c names the folder of the workers in C")?
                        .to_owned(),
                    ending: PROGRAMS,
                    copies: false,
                }),
                _ => Err(format!("no workers are written in {name}")),
            })
            .collect()
    }

    /// Starts the worker that does what `script` is called, with what it is told.
    pub(super) fn start(&self, script: &str, task: &[String]) -> Result<Child, String> {
        let mut command = Command::new(&self.program);
        match self.ending {
            "" => {
                command.arg(format!("soak-{script}"));
            }
            PROGRAMS => command = Command::new(Path::new(&self.program).join(script)),
            ending => {
                let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("soak");
                command.arg(scripts.join(format!("{script}.{ending}")));
            }
        };
        command
            .args(task)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        process::die_with_parent(&mut command);
        let started = command.spawn();
        started.map_err(|error| format!("cannot start {}: {error}", self.program))
    }
}
