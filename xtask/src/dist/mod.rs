//! `cargo xtask dist`: everything that a release publishes, built and examined, under `target/publish`.
//!
//! Each machine builds what it can and says what it left out and why: Linux nearly all of it, macOS and Windows their
//! own. Nothing is uploaded; RELEASE.md says what to do with the result.

mod archives;
mod check;
mod crates;
mod debian;
mod library;
pub(crate) mod native;
pub(crate) mod npm;
mod program;
mod sums;
pub(crate) mod wheels;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use self::native::Native;
use crate::exec;
use crate::kit::Kit;
use crate::targets::{self, Builder, Target};
use crate::term::{self, Context as _, Failure, Result};
use crate::tools::Tools;
use crate::workspace::Workspace;

/// What a run is about.
pub(crate) struct Dist<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) tools: &'a Tools,
    pub(crate) kit: &'a Kit,
    /// Where the results go.
    pub(crate) folder: PathBuf,
    pub(crate) version: String,
}

/// What was not built, and why.
struct Skipped {
    what: String,
    why: String,
}

pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<ExitCode> {
    let wanted = wanted(only)?;
    let version = workspace.version()?;
    let tools = Tools::find(workspace)?;
    let kit = Kit::prepare(workspace, &tools)?;
    let folder = workspace.target.join("publish");
    exec::fresh_folder(&folder)?;
    let dist = Dist {
        workspace,
        tools: &tools,
        kit: &kit,
        folder,
        version,
    };
    let mut skipped = Vec::new();
    let mut natives = Vec::new();
    for target in wanted {
        match Builder::new(workspace, &kit, target) {
            Ok(builder) => {
                let native = Native::build(&builder)?;
                wheels::build(&builder, &native, &dist.folder)?;
                archives::pack(&dist, &native)?;
                if let Some(why) = debian::pack(&dist, &native)? {
                    skipped.push(Skipped {
                        what: format!("Debian package ({})", target.triple),
                        why,
                    });
                }
                if let Some(why) = library::pack(&dist, &native)? {
                    skipped.push(Skipped {
                        what: format!("libkren ({})", target.triple),
                        why,
                    });
                }
                natives.push(native);
            }
            Err(why) => skipped.push(Skipped {
                what: format!("{} ({})", target.shown, target.triple),
                why,
            }),
        }
    }
    wheels::sources(&dist)?;
    npm::pack(&dist, &natives)?;
    crates::pack(&dist)?;
    check::run(&dist, &natives)?;
    sums::write(&dist)?;
    report(&dist, &skipped)?;
    Ok(ExitCode::SUCCESS)
}

/// The targets of these triples; all where none is named.
fn wanted(only: &[String]) -> Result<Vec<&'static Target>> {
    if only.is_empty() {
        return Ok(targets::all().collect());
    }
    let known = || -> Vec<&str> { targets::all().map(|target| target.triple).collect() };
    only.iter()
        .map(|triple| {
            targets::all()
                .find(|target| target.triple == triple)
                .ok_or_else(|| {
                    Failure::new(format!(
                        "there are no packages for '{triple}'; there are for {}",
                        known().join(", ")
                    ))
                })
        })
        .collect()
}

fn report(dist: &Dist<'_>, skipped: &[Skipped]) -> Result<()> {
    term::heading(&format!(
        "KREN {} in {}",
        dist.version,
        dist.folder.display()
    ));
    let files = files(dist, "")?;
    for file in &files {
        let len = fs::metadata(file).context(file.display())?.len();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("    {:>9}  {name}", format!("{} KiB", len.div_ceil(1024)));
    }
    for Skipped { what, why } in skipped {
        println!("    skipped: {what}: {why}");
    }
    println!("\n{} built, {} skipped", files.len(), skipped.len());
    println!(
        "Linux x86-64 builds for every system; macOS and Windows build for themselves; a Debian package is built on the processor it is for"
    );
    Ok(())
}

/// What was built and ends so, in the order of its names.
fn files(dist: &Dist<'_>, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(&dist.folder).context(dist.folder.display())? {
        let file = entry.context(dist.folder.display())?.path();
        if file.is_file() && file.to_string_lossy().ends_with(ending) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
