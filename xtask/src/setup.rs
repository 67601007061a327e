//! From a fresh clone to packages that can be imported; each step is left out when its result is still good.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compiled;
use crate::exec::{self, step};
use crate::stamp::Stamp;
use crate::term::{Context as _, Result};
use crate::tools::{self, Tools};
use crate::workspace::Workspace;

/// What the core offers beside its own, for users who ask for it, and the example of it.
pub(crate) const FEATURES: &str = "kren-core/arrow,kren-core/ndarray,kren-examples/tables";
/// That example: Arrow, which is behind it, takes minutes to build in release.
pub(crate) const TICKS_READER: &str = "ticks_reader";

const NETWORK: &str =
    "read the output above; a first run fetches packages, so check the network too";
const BUILD: &str = "read the compiler's output above";

/// The virtual environment with its packages, and npm's packages: all that the linters need.
pub(crate) fn packages(workspace: &Workspace, tools: &Tools) -> Result<()> {
    virtual_environment(workspace, tools)?;
    node_packages(workspace, tools)
}

/// The Python and the Node package, built in release and importable.
pub(crate) fn bindings(workspace: &Workspace, tools: &Tools) -> Result<()> {
    packages(workspace, tools)?;
    python_extension(workspace)?;
    node_addon(workspace, tools)?;
    link_examples(workspace, tools)
}

/// The program `kren`, also where both packages have it.
pub(crate) fn command_line(workspace: &Workspace) -> Result<()> {
    let cargo = workspace.cargo(&["build", "--release", "--package", "kren-cli"]);
    step("Rust: building the command line", cargo, BUILD)?;
    place_program(workspace, "release")
}

/// Puts the program that cargo has built by this profile where installing the packages would: among the programs of the
/// Python environment, and into the npm package.
pub(crate) fn place_program(workspace: &Workspace, profile: &str) -> Result<()> {
    let name = format!("kren{}", std::env::consts::EXE_SUFFIX);
    let built = workspace.target.join(profile).join(&name);
    let folder = workspace.node().join("bin");
    exec::create_folder(&folder)?;
    for place in [workspace.venv_program("kren"), folder.join(&name)] {
        // By rename: whoever runs the old one keeps it.
        let new = place.with_extension("new");
        fs::copy(&built, &new).context(built.display())?;
        fs::rename(&new, &place).context(place.display())?;
    }
    Ok(())
}

/// The examples of all languages, ready to run.
pub(crate) fn examples(workspace: &Workspace, tools: &Tools) -> Result<()> {
    bindings(workspace, tools)?;
    compiled::examples(workspace)?;
    let cargo = workspace.cargo(&["build", "--release", "--package", "kren-examples"]);
    step("Rust: building the examples", cargo, BUILD)?;
    // In the tests' profile and with their features: of what it needs, they have built everything, or will use it.
    let mut cargo = workspace.cargo(&["build", "--workspace", "--features", FEATURES, "--bin"]);
    cargo.arg(TICKS_READER);
    step("Rust: building the example of tables", cargo, BUILD)
}

fn virtual_environment(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let venv = workspace.venv();
    let python = workspace.venv_program("python");
    let starts =
        |arguments: &[&str]| exec::first_line(Command::new(&python).args(arguments)).is_some();
    if !starts(&["--version"]) {
        tools::require_venv(&tools.python)?;
        let mut make = Command::new(&tools.python);
        // --clear: what is there was made by a Python that has since gone.
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        step(
            "Python: making the virtual environment",
            make,
            "remove kren-python/.venv and run this again",
        )?;
    }
    if !starts(&["-m", "pip", "--version"]) {
        let pip = workspace.command(&python, &workspace.root);
        step(
            "Python: adding pip",
            with(pip, &["-m", "ensurepip"]),
            NETWORK,
        )?;
    }
    let packages = workspace.python_packages()?;
    let stamp = Stamp::new(
        venv.join("packages.stamp"),
        vec![],
        venv.join("pyvenv.cfg"),
        packages.join(" "),
    );
    if stamp.is_current()? {
        return Ok(());
    }
    let mut pip = workspace.command(&python, &workspace.root);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    pip.args(packages);
    step(
        "Python: installing maturin, pytest, mypy, ruff and numpy",
        pip,
        NETWORK,
    )?;
    stamp.store()
}

fn python_extension(workspace: &Workspace) -> Result<()> {
    let python = workspace.python();
    let stamp = Stamp::new(
        workspace.venv().join("extension.stamp"),
        sources(workspace, &python),
        python.clone(),
        "release".to_owned(),
    );
    if stamp.is_current()? {
        return Ok(());
    }
    let maturin = workspace.command(workspace.venv_program("maturin"), &python);
    step(
        "Python: building the extension",
        with(maturin, &["develop", "--release"]),
        BUILD,
    )?;
    stamp.store()
}

pub(crate) fn node_packages(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let node = workspace.node();
    npm_install("Node: installing the npm packages", workspace, tools, &node)
}

fn node_addon(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let node = workspace.node();
    let stamp = Stamp::new(
        node.join("node_modules").join(".kren-addon.stamp"),
        sources(workspace, &node),
        node.clone(),
        "release".to_owned(),
    );
    if stamp.is_current()? {
        return Ok(());
    }
    let npm = workspace.command(&tools.npm, &node);
    step(
        "Node: building the addon",
        with(npm, &["run", "build"]),
        BUILD,
    )?;
    stamp.store()
}

/// Lets the examples import `@pawanxz/kren` as a user's project does.
fn link_examples(workspace: &Workspace, tools: &Tools) -> Result<()> {
    for folder in ["node", "camera"] {
        npm_install(
            "Node: linking the examples",
            workspace,
            tools,
            &workspace.examples().join(folder),
        )?;
    }
    Ok(())
}

pub(crate) fn npm_install(
    what: &str,
    workspace: &Workspace,
    tools: &Tools,
    folder: &Path,
) -> Result<()> {
    npm_install_with(what, workspace, tools, folder, &[])
}

/// The same with more options for npm.
pub(crate) fn npm_install_with(
    what: &str,
    workspace: &Workspace,
    tools: &Tools,
    folder: &Path,
    options: &[&str],
) -> Result<()> {
    let stamp = Stamp::new(
        folder.join("node_modules").join(".kren-packages.stamp"),
        vec![
            folder.join("package.json"),
            folder.join("package-lock.json"),
        ],
        folder.join("node_modules").join(".package-lock.json"),
        format!("{} {}", tools.node.display(), options.join(" ")),
    );
    if stamp.is_current()? {
        return Ok(());
    }
    // Not `ci`: it refuses a lock file that leaves out some other platform's optional package, which npm itself
    // writes wherever a registry lacks one. `install` keeps to the locked versions too; --no-save leaves the file be.
    let npm = workspace.command(&tools.npm, folder);
    let quiet = [
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    step(what, with(with(npm, &quiet), options), NETWORK)?;
    let modules = folder.join("node_modules");
    fs::create_dir_all(&modules).context(modules.display())?;
    stamp.store()
}

/// Everything a binding is built from.
fn sources(workspace: &Workspace, binding: &Path) -> Vec<PathBuf> {
    let root = &workspace.root;
    let core = root.join("kren-core");
    vec![
        root.join("Cargo.toml"),
        root.join("Cargo.lock"),
        core.join("Cargo.toml"),
        core.join("src"),
        binding.to_owned(),
    ]
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}
