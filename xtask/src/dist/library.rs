//! libkren for those who have no Rust: an archive for each system, and the pair of Debian packages for this machine's processor.

use super::Dist;
use super::native::Native;
use crate::libkren::{Layout, pack_archive, pack_debian};
use crate::term::Result;

/// Packs it; says why not, where its layout is not known.
pub(super) fn pack(dist: &Dist<'_>, native: &Native) -> Result<Option<String>> {
    let Some(library) = &native.library else {
        return Ok(Some("to be built there by cargo, from kren-c".to_owned()));
    };
    let layout = Layout {
        workspace: dist.workspace,
        version: dist.version.clone(),
        built: library.clone(),
        lib: "lib".to_owned(),
    };
    let beside = dist.workspace.target.join("libkren");
    let name = format!("libkren-{}-{}", dist.version, native.target.triple);
    pack_archive(&layout, &name, &beside, &dist.folder)?;
    if native.target.is_this() {
        pack_debian(&layout, &beside.join("deb"), &dist.folder)?;
    }
    Ok(None)
}
