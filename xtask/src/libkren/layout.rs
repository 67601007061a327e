//! libkren's files in a folder, as other C libraries lie there.

use std::fs;
use std::path::{Path, PathBuf};

use super::system::System;
use crate::exec;
use crate::term::{Context as _, Result};
use crate::workspace::Workspace;

/// A library that was built, and where it is put.
pub(crate) struct Layout<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) version: String,
    /// The shared one; the static one lies beside it.
    pub(crate) built: PathBuf,
    /// The folder of libraries below the prefix: `lib`, or Debian's for a processor.
    pub(crate) lib: String,
}

impl Layout<'_> {
    /// What the library was built for.
    pub(super) fn system(&self) -> System {
        System::of(&self.built)
    }

    /// What programs take to start.
    pub(super) fn place_library(&self, prefix: &Path) -> Result<()> {
        let system = self.system();
        let shared = prefix.join(self.place_of_shared());
        if let Some(folder) = shared.parent() {
            exec::create_folder(folder)?;
        }
        match system {
            System::Linux => {
                let file = format!("libkren.so.{}", self.version);
                copy(&self.built, &shared.with_file_name(&file))?;
                link(&file, &shared)
            }
            System::Windows | System::Apple => copy(&self.built, &shared),
        }
    }

    /// What it takes to build them: the headers, the static library, and what pkg-config and CMake look for.
    pub(super) fn place_development(&self, prefix: &Path) -> Result<()> {
        let system = self.system();
        let (lib, include) = (prefix.join(&self.lib), prefix.join("include"));
        let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake").join("kren"));
        for folder in [&include, &pkgconfig, &cmake] {
            exec::create_folder(folder)?;
        }
        for header in ["kren.h", "kren.hpp"] {
            let from = self.workspace.root.join("kren-c").join("include");
            copy(&from.join(header), &include.join(header))?;
        }
        copy(
            &self.built.with_file_name("libkren.a"),
            &lib.join("libkren.a"),
        )?;
        let linked = lib.join(system.linked());
        match system {
            System::Linux | System::Apple => link(system.loaded(), &linked)?,
            System::Windows => copy(&self.built.with_file_name(system.linked()), &linked)?,
        }
        exec::write(&pkgconfig.join("kren.pc"), &self.pc())?;
        exec::write(&cmake.join("krenConfig.cmake"), &self.config())?;
        exec::write(
            &cmake.join("krenConfigVersion.cmake"),
            &config_version(&self.version),
        )
    }

    /// Where the shared library lies below the prefix: on Windows beside the programs, which find it there.
    fn place_of_shared(&self) -> String {
        let system = self.system();
        match system {
            System::Windows => format!("bin/{}", system.loaded()),
            System::Linux | System::Apple => format!("{}/{}", self.lib, system.loaded()),
        }
    }

    /// From a folder of libraries back to the prefix.
    fn up(&self) -> String {
        self.lib.split('/').map(|_| "/..").collect()
    }

    /// Says where it lies by itself, so that the whole folder may be moved.
    fn pc(&self) -> String {
        let private: Vec<_> = self.private().map(|name| format!("-l{name}")).collect();
        format!(
            "prefix=${{pcfiledir}}/..{up}\nlibdir=${{prefix}}/{lib}\nincludedir=${{prefix}}/include\n\nName: kren\nDescription: messages between \
             processes through shared memory\nURL: https://github.com/Cintu07/kren\nVersion: {version}\nLibs: -L${{libdir}} -lkren\n\
             Libs.private: {private}\nCflags: -I${{includedir}}\n",
            up = self.up(),
            lib = self.lib,
            version = self.version,
            private = private.join(" "),
        )
    }

    fn private(&self) -> impl Iterator<Item = &'static str> {
        self.system().private().iter().copied()
    }

    fn config(&self) -> String {
        let system = self.system();
        let shared = match system {
            System::Linux => format!("\n    IMPORTED_SONAME \"{}\"", system.loaded()),
            System::Apple => format!("\n    IMPORTED_SONAME \"@rpath/{}\"", system.loaded()),
            System::Windows => format!(
                "\n    IMPORTED_IMPLIB \"${{_kren_prefix}}/{}/{}\"",
                self.lib,
                system.linked()
            ),
        };
        let private: Vec<_> = self.private().collect();
        CONFIG
            .replace("@UP@", &self.up())
            .replace("@SHARED@", &self.place_of_shared())
            .replace("@MORE@", &shared)
            .replace("@PRIVATE@", &private.join(";"))
            .replace("@LIB@", &self.lib)
    }
}

/// In place of what is there, which a program may have mapped.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let new = to.with_extension("new");
    fs::copy(from, &new).context(from.display())?;
    fs::rename(&new, to).context(to.display())
}

#[cfg(unix)]
fn link(to: &str, place: &Path) -> Result<()> {
    if fs::symlink_metadata(place).is_ok() {
        fs::remove_file(place).context(place.display())?;
    }
    std::os::unix::fs::symlink(to, place).context(place.display())
}

#[cfg(not(unix))]
fn link(_to: &str, _place: &Path) -> Result<()> {
    unreachable!("only Windows' own layout is made there, which has no links")
}

/// Found from where it lies, so that the whole folder may be moved.
const CONFIG: &str = r#"# find_package(kren): the targets kren::kren and kren::static.
get_filename_component(_kren_prefix "${CMAKE_CURRENT_LIST_DIR}/../..@UP@" ABSOLUTE)
if(NOT TARGET kren::kren)
  add_library(kren::kren SHARED IMPORTED GLOBAL)
  set_target_properties(kren::kren PROPERTIES
    IMPORTED_LOCATION "${_kren_prefix}/@SHARED@"@MORE@
    INTERFACE_INCLUDE_DIRECTORIES "${_kren_prefix}/include")
  add_library(kren::static STATIC IMPORTED GLOBAL)
  set_target_properties(kren::static PROPERTIES
    IMPORTED_LOCATION "${_kren_prefix}/@LIB@/libkren.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_kren_prefix}/include"
    INTERFACE_LINK_LIBRARIES "@PRIVATE@")
endif()
unset(_kren_prefix)
"#;

/// Before 1.0 a new minor version may change what users call.
fn config_version(version: &str) -> String {
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    format!(
        "set(PACKAGE_VERSION \"{version}\")\nif(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)\n  set(PACKAGE_VERSION_COMPATIBLE \
         FALSE)\nelseif(NOT PACKAGE_FIND_VERSION OR \"${{PACKAGE_FIND_VERSION}}.\" MATCHES \"^{}[.]\")\n  set(PACKAGE_VERSION_COMPATIBLE \
         TRUE)\n  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)\n    set(PACKAGE_VERSION_EXACT TRUE)\n  endif()\nelse()\n  \
         set(PACKAGE_VERSION_COMPATIBLE FALSE)\nendif()\n",
        minor.replace('.', "[.]")
    )
}
