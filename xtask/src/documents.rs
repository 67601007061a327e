//! The documents: what they point to is there, and the project has one home.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

/// Where the project lives, without the protocol.
const HOME: &str = "github.com/Cintu07/kren";

/// Folders of what others wrote, or what is built.
const FOREIGN: [&str; 6] = ["target", "node_modules", ".venv", ".git", "dist", "shared"];

/// Every file below `folder` whose name has one of the endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !FOREIGN.contains(&name.as_ref()) {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

fn project(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let workspace = Workspace::find().expect("the project");
    let mut found = Vec::new();
    files(&workspace.root, endings, &mut found);
    assert!(found.len() > 5, "{found:?}");
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("text");
            (path, text)
        })
        .collect()
}

/// The targets of `[text](target)` outside of code.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(|prose| {
        prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
    })
}

#[test]
fn what_documents_link_to_is_there() {
    let mut checked = 0;
    for (path, text) in project(&[".md"]) {
        let folder = path.parent().expect("a file lies in a folder");
        for link in links(&text) {
            let target = link.split('#').next().unwrap_or_default();
            // In the project's own pages as they are published, too.
            let published = link.strip_prefix(&format!("https://{HOME}/blob/main/"));
            let file = match published {
                Some(file) => Workspace::find().expect("the project").root.join(file),
                None if link.contains("://") || target.is_empty() => continue,
                None => folder.join(target),
            };
            assert!(file.exists(), "{} links to {link}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} links were found");
}

#[test]
fn the_project_has_one_home() {
    let mut named = 0;
    for (path, text) in project(&[".md", ".toml", "package.json", ".yml", ".ts"]) {
        for (place, _) in text.match_indices("github.com/") {
            let address = &text[place..];
            let Some(rest) = address.split('/').nth(2) else {
                continue;
            };
            let repository: String = rest
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-')
                .collect();
            if repository == "kren" {
                assert!(
                    address.starts_with(HOME),
                    "{}: {}",
                    path.display(),
                    address.lines().next().unwrap_or_default()
                );
                named += 1;
            }
        }
    }
    assert!(named > 8, "{named} addresses were found");
}

/// The guide's index has every page.
#[test]
fn the_guide_has_an_index() {
    let folder = Workspace::find()
        .expect("the project")
        .root
        .join("docs")
        .join("guide");
    let index = fs::read_to_string(folder.join("README.md")).expect("the index");
    let mut pages = Vec::new();
    files(&folder, &[".md"], &mut pages);
    for page in pages {
        let name = page.file_name().expect("a name").to_string_lossy();
        assert!(
            name == "README.md" || index.contains(&format!("]({name})")),
            "{name} is not in the index of the guide"
        );
    }
}
