//! ARM Linux, 64 and 32 bits, and 32-bit x86: built with Debian's cross compilers, run under QEMU's user-mode
//! emulation, the last by this kernel. On 64-bit ARM with pages of 4, 16 and 64 KiB, as its kernels come.

mod sharing;

use std::process::Command;

use super::{lint, test};
use crate::count::Count;
use crate::second;
use crate::term::Result;
use crate::workspace::Workspace;

/// A system and what it takes.
struct System {
    target: &'static str,
    linker: &'static str,
    /// Also for the processes that tests start: the kernel does not know how to run them.
    runner: Runner,
    /// A file of each package, and the package.
    packages: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum Runner {
    /// An emulator, which is told the size of a page besides.
    Emulator(&'static str),
    /// This kernel, once the program says where its C library is.
    Kernel { library: &'static str },
}

const AARCH64: System = System {
    target: "aarch64-unknown-linux-gnu",
    linker: "/usr/bin/aarch64-linux-gnu-gcc",
    runner: Runner::Emulator("/usr/bin/qemu-aarch64-static -L /usr/aarch64-linux-gnu"),
    packages: &[
        ("/usr/bin/aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        (
            "/usr/aarch64-linux-gnu/lib/libc.so.6",
            "libc6-dev-arm64-cross",
        ),
        ("/usr/bin/qemu-aarch64-static", "qemu-user-static"),
    ],
};

/// Where a word of 64 bits is no machine word, and its alignment not what it is elsewhere.
const SMALL: [System; 2] = [
    System {
        target: "armv7-unknown-linux-gnueabihf",
        linker: "/usr/bin/arm-linux-gnueabihf-gcc",
        runner: Runner::Emulator("/usr/bin/qemu-arm-static -L /usr/arm-linux-gnueabihf"),
        packages: &[
            (
                "/usr/bin/arm-linux-gnueabihf-gcc",
                "gcc-arm-linux-gnueabihf",
            ),
            (
                "/usr/arm-linux-gnueabihf/lib/libc.so.6",
                "libc6-dev-armhf-cross",
            ),
            ("/usr/bin/qemu-arm-static", "qemu-user-static"),
        ],
    },
    System {
        target: "i686-unknown-linux-gnu",
        linker: "/usr/bin/i686-linux-gnu-gcc",
        runner: Runner::Kernel {
            library: "/usr/i686-linux-gnu/lib",
        },
        packages: &[
            ("/usr/bin/i686-linux-gnu-gcc", "gcc-i686-linux-gnu"),
            ("/usr/i686-linux-gnu/lib/libc.so.6", "libc6-dev-i386-cross"),
        ],
    },
];

/// Page sizes that ARM kernels come with. The emulator tells them to the program and keeps to them itself.
const PAGES: [&str; 3] = ["4096", "16384", "65536"];

pub(super) fn run(workspace: &Workspace, short: bool) -> Result<Count> {
    let small: &[System] = if short { &[] } else { &SMALL };
    let packages: Vec<_> = [&AARCH64]
        .into_iter()
        .chain(small)
        .flat_map(|system| system.packages)
        .copied()
        .collect();
    second::need(&packages)?;
    let mut count = Count::default();
    if !short {
        lint(workspace, AARCH64.target, &["kren-core"])?;
    }
    for page in PAGES {
        count += AARCH64.test(workspace, page)?;
    }
    for system in small {
        lint(workspace, system.target, &["kren-core"])?;
        count += system.test(workspace, "4096")?;
    }
    if !short {
        count += sharing::run(workspace, &[&AARCH64, &SMALL[0], &SMALL[1]])?;
    }
    println!(
        "this shows layout, system calls and instruction selection; the order of loads and stores is x86's, and \
         the model checker's business"
    );
    Ok(count)
}

impl System {
    /// Cargo's variable for this target.
    fn variable(&self, what: &str) -> String {
        let target = self.target.to_uppercase().replace('-', "_");
        format!("CARGO_TARGET_{target}_{what}")
    }

    fn link(&self, cargo: &mut Command) {
        cargo.env(self.variable("LINKER"), self.linker);
        if let Runner::Kernel { library } = self.runner {
            let flags =
                format!("-Clink-arg=-Wl,--dynamic-linker={library}/ld-linux.so.2,-rpath,{library}");
            cargo.env(self.variable("RUSTFLAGS"), flags);
        }
    }

    /// What a program is started with where pages have this many bytes; nothing where this kernel starts it itself.
    fn start(&self, page: &str) -> String {
        match self.runner {
            Runner::Emulator(emulator) => format!("{emulator} -p {page}"),
            Runner::Kernel { .. } => String::new(),
        }
    }

    /// Runs the core's tests where pages have this many bytes.
    fn test(&self, workspace: &Workspace, page: &str) -> Result<Count> {
        let runner = self.start(page);
        let emulated = |cargo: &mut Command| {
            self.link(cargo);
            if !runner.is_empty() {
                cargo.env(self.variable("RUNNER"), &runner);
            }
            cargo
                .env("KREN_TEST_RUNNER", &runner)
                .env("KREN_TEST_PAGE", page)
                // Printing one takes the emulator down, and hides what went wrong.
                .env("RUST_BACKTRACE", "0");
        };
        println!("==> {}, pages of {page} bytes", self.target);
        // Every length of a ring that is one page long, by an emulator: what matters of it is the same everywhere.
        let arguments = [
            "--lib",
            "--test",
            "it",
            "--",
            "--skip",
            "sweeps::every_record_length",
        ];
        test(workspace, self.target, &arguments, emulated).map(|suite| suite.count)
    }
}
