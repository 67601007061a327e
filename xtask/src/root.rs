//! Where the repository is.

use std::path::PathBuf;

/// The root of the repository.
///
/// `cargo run` says at run time where it is; what was compiled in would be another checkout's if somebody copied
/// its `target` to save a build.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().unwrap_or(&manifest).to_owned()
}
