//! Where things are, and what the two packages say they need.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::exec;
use crate::root;
use crate::term::{Context as _, Failure, Result, Step};
use crate::version;

/// The folders of this repository.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds; a user's configuration may have moved it.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let root = root::root();
        let mut ask = Command::new(cargo());
        ask.args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(&root);
        let target = exec::first_line(&mut ask)
            .and_then(|json| json_string(&json, "target_directory"))
            .map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, target })
    }

    pub(crate) fn python(&self) -> PathBuf {
        self.root.join("kren-python")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.root.join("kren-node")
    }

    pub(crate) fn examples(&self) -> PathBuf {
        self.root.join("examples")
    }

    /// The folder of the virtual environment: where `maturin develop` in `kren-python` looks for it too.
    pub(crate) fn venv(&self) -> PathBuf {
        self.python().join(".venv")
    }

    /// A program of the virtual environment.
    pub(crate) fn venv_program(&self, name: &str) -> PathBuf {
        if cfg!(windows) {
            self.venv().join("Scripts").join(format!("{name}.exe"))
        } else {
            self.venv().join("bin").join(name)
        }
    }

    /// A program that cargo has built in release.
    pub(crate) fn release_program(&self, name: &str) -> PathBuf {
        self.built("release", name)
    }

    /// A program that cargo has built as it builds tests.
    pub(crate) fn debug_program(&self, name: &str) -> PathBuf {
        self.built("debug", name)
    }

    fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target
            .join(profile)
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// A command that runs in `dir` with the virtual environment in force, as its `activate` does it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).env("VIRTUAL_ENV", self.venv());
        command.env_remove("PYTHONHOME").env_remove("CONDA_PREFIX");
        let mut folders = vec![
            self.venv_program("python")
                .parent()
                .unwrap_or(dir)
                .to_owned(),
        ];
        folders.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(cargo(), &self.root);
        command.args(arguments);
        command
    }

    /// The oldest Python that the package accepts, from its own manifest.
    pub(crate) fn python_needed(&self) -> Result<(u32, u32)> {
        needed(&self.python().join("pyproject.toml"), "requires-python")
    }

    pub(crate) fn bench(&self) -> PathBuf {
        self.root.join("kren-bench")
    }

    /// What the package's `dev` list names: everything that building and testing it needs.
    pub(crate) fn python_packages(&self) -> Result<Vec<String>> {
        let file = self.python().join("pyproject.toml");
        let text = fs::read_to_string(&file).context(file.display())?;
        let list = toml_strings(&text, "dev");
        list.ok_or_else(|| Failure::new(format!("{} has no list named dev", file.display())))
    }

    /// The oldest Node that the package accepts, from its own manifest.
    pub(crate) fn node_needed(&self) -> Result<(u32, u32)> {
        needed(&self.node().join("package.json"), "\"node\"")
    }

    /// The version of everything that is published; Rust's and Python's come from one place, npm's must say the same.
    pub(crate) fn version(&self) -> Result<String> {
        let read = |file: PathBuf, key: &str| -> Result<String> {
            let text = fs::read_to_string(&file).context(file.display())?;
            text.lines()
                .find_map(|line| line.trim_start().strip_prefix(key)?.split('"').nth(1))
                .map(str::to_owned)
                .ok_or_else(|| Failure::new(format!("{} has no version", file.display())))
        };
        let rust = read(self.root.join("Cargo.toml"), "version =")?;
        let node = read(self.node().join("package.json"), "\"version\":")?;
        if rust == node {
            Ok(rust)
        } else {
            Err(Failure::new(format!(
                "Cargo.toml says version {rust} and kren-node/package.json {node}: make them the same"
            )))
        }
    }

    pub(crate) fn clean(&self) -> Result<ExitCode> {
        let examples = self.examples();
        let mut folders = vec![self.venv()];
        folders.extend([
            self.node().join("node_modules"),
            self.node().join("bin"),
            self.node().join("test").join("tools").join("node_modules"),
            examples.join("node").join("node_modules"),
            examples.join("camera").join("node_modules"),
            self.bench().join("node").join("node_modules"),
            self.bench().join("python").join("rivals"),
        ]);
        for caches in [".mypy_cache", ".ruff_cache", ".pytest_cache"] {
            folders.extend([
                self.root.join(caches),
                self.python().join(caches),
                examples.join(caches),
                examples.join("python").join(caches),
            ]);
        }
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            let step = Step::begin(&format!("removing {}", folder.display()));
            fs::remove_dir_all(folder).context(folder.display())?;
            step.done();
        }
        exec::step(
            "cargo clean",
            self.cargo(&["clean"]),
            "close programs that use the files in target",
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The cargo that runs us, so that a toolchain chosen with `cargo +name` stays in force.
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The version after the first line of `file` that starts with `key`.
fn needed(file: &Path, key: &str) -> Result<(u32, u32)> {
    let text = fs::read_to_string(file).context(file.display())?;
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix(key))
        .and_then(version::read)
        .ok_or_else(|| Failure::new(format!("{} has no version after {key}", file.display())))
}

/// The strings of the list `key = ["...", "..."]`, on one line or many.
fn toml_strings(toml: &str, key: &str) -> Option<Vec<String>> {
    let (_, list) = toml.split_once(&format!("\n{key} = ["))?;
    // A requirement may hold brackets of its own (`package[extra]`), so the list ends by its quotes.
    let mut strings = Vec::new();
    let mut rest = list;
    while let Some((between, after)) = rest.split_once('"')
        && !between.contains(']')
    {
        let (string, after) = after.split_once('"')?;
        strings.push(string.to_owned());
        rest = after;
    }
    Some(strings)
}

/// The value of a string field anywhere in `json`; enough for cargo's own output, which is on one line.
fn json_string(json: &str, field: &str) -> Option<String> {
    let start = json.find(&format!("\"{field}\":\""))? + field.len() + 4;
    let mut value = String::new();
    let mut characters = json[start..].chars();
    loop {
        match characters.next()? {
            '"' => return Some(value),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_strings_ends_with_its_own_list() {
        let toml = "[table]\ndev = [\"a>=1,<2\",\n  \"b[c]>=1\"]\nother = [\"d\"]\n";
        assert_eq!(
            toml_strings(toml, "dev"),
            Some(vec!["a>=1,<2".to_owned(), "b[c]>=1".to_owned()])
        );
        assert_eq!(toml_strings(toml, "absent"), None);
    }

    #[test]
    fn json_string_undoes_the_escapes_of_paths() {
        let json = r#"{"packages":[],"target_directory":"C:\\kren\\target","version":1}"#;
        assert_eq!(
            json_string(json, "target_directory").as_deref(),
            Some(r"C:\kren\target")
        );
        assert_eq!(json_string(json, "absent"), None);
    }
}
