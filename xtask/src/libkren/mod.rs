//! libkren as C and C++ projects expect to find it: in a folder ([`layout`]; [`system`] has the names), in an archive, as a pair of Debian packages; and tried as they
//! use it ([`mod@trial`]).

mod archive;
mod debian;
mod layout;
mod system;
mod trial;

use std::path::Path;
use std::process::ExitCode;

pub(crate) use self::archive::pack as pack_archive;
pub(crate) use self::debian::pack as pack_debian;
pub(crate) use self::layout::Layout;
pub(crate) use self::trial::run as trial;

use crate::compiled;
use crate::term::{Context as _, Failure, Result};
use crate::workspace::Workspace;

/// What a program for Windows takes besides that is linked with the static library.
pub(crate) fn private_on_windows() -> Vec<String> {
    let names = system::System::Windows.private();
    names.iter().map(|name| format!("-l{name}")).collect()
}

/// `cargo xtask install --prefix DIR`.
pub(crate) fn install(workspace: &Workspace, prefix: &Path) -> Result<ExitCode> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new(
            "only Linux's layout is known here: build kren-c by cargo, and copy the library and kren-c/include",
        ));
    }
    let layout = built(workspace)?;
    let prefix = std::path::absolute(prefix).context(prefix.display())?;
    layout.place_library(&prefix)?;
    layout.place_development(&prefix)?;
    println!("libkren {} is in {}", layout.version, prefix.display());
    Ok(ExitCode::SUCCESS)
}

/// What this machine's own build is.
fn built(workspace: &Workspace) -> Result<Layout<'_>> {
    Ok(Layout {
        workspace,
        version: workspace.version()?,
        built: compiled::library(workspace)?,
        lib: "lib".to_owned(),
    })
}
