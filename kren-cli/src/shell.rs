//! `kren completions` and `kren man`.

use crate::Cli;
use crate::stop::{Outcome, Stop};
use clap::CommandFactory;
use clap_complete::env::Shells;
use std::io::{self, Write};
use std::path::PathBuf;

/// Print what a shell needs to complete `kren`, channels' names included.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  source <(kren completions bash)                      in ~/.bashrc
  kren completions fish > ~/.config/fish/completions/kren.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

/// Write manual pages: one for `kren`, one for each command.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren man | man -l -
  kren man --to /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The folder for all of them. Else the first goes to the output.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Outcome {
    let shells = Shells::builtins();
    let shell = shells
        .completer(&args.shell)
        .ok_or_else(|| Stop::Usage(format!("{} is no shell that can be completed", args.shell)))?;
    shell
        .write_registration("COMPLETE", "kren", "kren", "kren", &mut io::stdout().lock())
        .map_err(Stop::io("output"))
}

pub(crate) fn man(args: &ManArgs) -> Outcome {
    // `kren help ls` would be a page for each command once more.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = &args.to else {
        let page = clap_mangen::Man::new(command);
        let mut text = vec![];
        return page
            .render(&mut text)
            .and_then(|()| io::stdout().lock().write_all(&text))
            .map_err(Stop::io("output"));
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(Stop::io(folder.display().to_string()))
}
