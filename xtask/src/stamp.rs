//! Whether a step's result is still good: a fingerprint of what went in and of what came out, kept beside it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::term::{Context as _, Result};

/// What building makes, by folder and by ending: never part of what goes in.
const MADE_FOLDERS: &[&str] = &["target", "node_modules", "dist", "bin", "__pycache__"];
const MADE_ENDINGS: &[&str] = &["so", "pyd", "node", "dylib", "dll", "pyc"];

/// The stamp of one step.
///
/// The file lies inside the folder that the step fills, so that removing that folder removes the stamp.
pub(crate) struct Stamp {
    file: PathBuf,
    inputs: Vec<PathBuf>,
    outputs: PathBuf,
    extra: String,
}

impl Stamp {
    /// `inputs` are files and folders read by content; files that were built somewhere under `outputs` count by
    /// size and time, so that a build made by hand in between is seen; `extra` is anything else that matters.
    pub(crate) fn new(
        file: PathBuf,
        inputs: Vec<PathBuf>,
        outputs: PathBuf,
        extra: String,
    ) -> Self {
        Self {
            file,
            inputs,
            outputs,
            extra,
        }
    }

    pub(crate) fn is_current(&self) -> Result<bool> {
        let Ok(kept) = fs::read_to_string(&self.file) else {
            return Ok(false);
        };
        Ok(kept == self.fingerprint()?)
    }

    pub(crate) fn store(&self) -> Result<()> {
        fs::write(&self.file, self.fingerprint()?).context(self.file.display())
    }

    fn fingerprint(&self) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        self.extra.hash(&mut hasher);
        for input in &self.inputs {
            hash_content(input, &mut hasher)?;
        }
        hash_built(&self.outputs, &mut hasher)?;
        Ok(format!("{:016x}\n", hasher.finish()))
    }
}

fn hash_content(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    if path.is_dir() {
        for entry in sorted(path)? {
            if !is_made(&entry) {
                hash_content(&entry, hasher)?;
            }
        }
    } else if path.is_file() {
        path.hash(hasher);
        fs::read(path).context(path.display())?.hash(hasher);
    }
    Ok(())
}

fn hash_built(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    if path.is_dir() {
        for entry in sorted(path)? {
            let skipped = entry
                .file_name()
                .is_some_and(|name| name == "node_modules" || name == "target");
            if !skipped && !is_hidden(&entry) {
                hash_built(&entry, hasher)?;
            }
        }
    } else if is_made(path) || path.components().any(|part| part.as_os_str() == "dist") {
        // Absent is a state like any other.
        let data = fs::metadata(path).ok();
        let modified = data.as_ref().and_then(|data| data.modified().ok());
        (path, data.map(|data| data.len()), modified).hash(hasher);
    }
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).context(folder.display())?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.context(folder.display())?.path());
    }
    paths.sort();
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_made(path: &Path) -> bool {
    let folder = path
        .file_name()
        .is_some_and(|name| MADE_FOLDERS.iter().any(|made| name == *made));
    let ending = path
        .extension()
        .is_some_and(|ending| MADE_ENDINGS.iter().any(|made| ending == *made));
    folder || ending || is_hidden(path)
}
