//! The languages that workers are written in, and how to start them.

use super::process;
use super::worker::shown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// In place of an ending: there is a program for each worker, and `program` is their folder.
const PROGRAMS: &str = "/";

/// Who the workers are, and the programs that can import the packages.
#[derive(clap::Args)]
pub(super) struct Workers {
    #[arg(long, value_delimiter = ',', value_enum, default_value = "rust")]
    languages: Vec<Name>,
    #[arg(long, default_value = "python3")]
    python: String,
    #[arg(long, default_value = "node")]
    node: String,
    /// The folder of the workers in C.
    #[arg(long)]
    c: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    Rust,
    Python,
    Node,
    C,
}

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
    pub(super) fn chosen(options: &Workers) -> Result<Vec<Self>, String> {
        options
            .languages
            .iter()
            .map(|name| {
                Ok(match name {
                    Name::Rust => Self {
                        name: "rust",
                        program: std::env::current_exe()
                            .map_err(shown)?
                            .to_string_lossy()
                            .into_owned(),
                        ending: "",
                        copies: false,
                    },
                    Name::Python => Self {
                        name: "python",
                        program: options.python.clone(),
                        ending: "py",
                        copies: true,
                    },
                    Name::Node => Self {
                        name: "node",
                        program: options.node.clone(),
                        ending: "mjs",
                        copies: true,
                    },
                    Name::C => Self {
                        name: "c",
                        program: options
                            .c
                            .clone()
                            .ok_or("--c names the folder of the workers in C")?,
                        ending: PROGRAMS,
                        copies: false,
                    },
                })
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
