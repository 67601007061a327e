//! One writer and one reader, no more (G5).

use crate::support::{Limit, Name, PAGE, Parts, Process, Role};
use kren_core::{Error, KrenReader, KrenWriter};

pub(crate) const PARTS: Parts = &[
    ("holder", holder),
    #[cfg(target_os = "linux")]
    ("slow to die", dying::slow_to_die),
    #[cfg(target_os = "linux")]
    ("elsewhere", dying::elsewhere),
];

fn holder(role: &Role) {
    let name: String = role.arg(0);
    match role.arg::<String>(1).as_str() {
        "writer" => {
            let _writer = KrenWriter::create(&name, PAGE).unwrap();
            role.say("holds", "");
            role.hear("go");
        }
        _ => {
            let _reader = KrenReader::connect(&name).unwrap();
            role.say("holds", "");
            role.hear("go");
        }
    }
}

#[track_caller]
fn refused_writer(name: &str, by: u32) {
    let error = KrenWriter::create(name, PAGE).unwrap_err();
    assert!(
        matches!(error, Error::WriterExists { holder, .. } if holder.pid() == by),
        "{error:?}"
    );
    assert!(error.to_string().contains(&by.to_string()), "{error}");
}

#[track_caller]
fn refused_reader(name: &str, by: u32) {
    let error = KrenReader::connect(name).unwrap_err();
    assert!(
        matches!(error, Error::ReaderExists { holder, .. } if holder.pid() == by),
        "{error:?}"
    );
    assert!(error.to_string().contains(&by.to_string()), "{error}");
}

/// G5: within one process.
#[test]
fn a_second_writer_or_reader_is_refused() {
    let name = Name::new("second");
    let writer = KrenWriter::create(&name, PAGE).unwrap();
    refused_writer(&name, std::process::id());
    // Someone ran a cell of a notebook twice: there is no other process to look for.
    let text = KrenWriter::create(&name, PAGE).unwrap_err().to_string();
    assert!(text.contains("this process"), "{text}");
    assert!(text.contains("opened earlier"), "{text}");
    let reader = KrenReader::connect(&name).unwrap();
    let text = KrenReader::connect(&name).unwrap_err().to_string();
    assert!(text.contains("this process"), "{text}");
    refused_reader(&name, std::process::id());
    drop(reader);
    refused_writer(&name, std::process::id());
    drop(KrenReader::connect(&name).unwrap());
    drop(writer);
    name.assert_gone();
}

/// G5: across processes, naming the one that holds the role, until it is gone for whatever reason.
#[test]
fn a_role_is_held_across_processes() {
    let _limit = Limit::new();
    for killed in [false, true] {
        let name = Name::new("held");
        let own = KrenWriter::create(&name, PAGE).unwrap();
        let mut other = Process::start("holder", &[&name, &"reader"]);
        other.expect("holds");
        refused_reader(&name, other.pid());
        if killed {
            other.kill();
        } else {
            other.tell("go");
            other.finish();
        }
        drop(KrenReader::connect(&name).unwrap());
        drop(own);

        let mut other = Process::start("holder", &[&name, &"writer"]);
        other.expect("holds");
        refused_writer(&name, other.pid());
        if killed {
            other.kill();
        } else {
            other.tell("go");
            other.finish();
        }
        drop(KrenWriter::create(&name, PAGE).unwrap());
        name.assert_gone();
    }
}

/// G5: of many that try at once exactly one gets the role, every time.
#[test]
fn of_many_writers_at_once_one_is_taken() {
    let _limit = Limit::new();
    let name = Name::new("race");
    let start = std::sync::Barrier::new(8);
    for _ in 0..25 {
        let taken: Vec<Option<KrenWriter>> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        match KrenWriter::create(&name, PAGE) {
                            Ok(writer) => Some(writer),
                            Err(Error::WriterExists { .. }) => None,
                            Err(error) => panic!("{error}"),
                        }
                    })
                })
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(taken.iter().flatten().count(), 1);
        drop(taken);
        name.assert_gone();
    }
}

/// What a refusal says of a process that is dying, or counts its processes in another way.
#[cfg(target_os = "linux")]
mod dying {
    #![allow(unsafe_code)]

    use super::*;
    use kren_core::Holder;

    const DAY: libc::timespec = libc::timespec {
        tv_sec: 86_400,
        tv_nsec: 0,
    };

    /// Holds the writer's role, and keeps it when it is dead: a copy that KREN does not know of, as it is not made by `fork`, has
    /// the lock as well. A process with much memory, or one that dumps core, keeps it as long.
    pub(super) fn slow_to_die(role: &Role) {
        let name: String = role.arg(0);
        let _writer = KrenWriter::create(&name, PAGE).unwrap();
        // SAFETY: the copy makes system calls only.
        unsafe {
            let child = libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
            if child == 0 {
                loop {
                    libc::syscall(libc::SYS_nanosleep, std::ptr::from_ref(&DAY), 0);
                }
            }
            role.say("holds", child);
        }
        role.linger();
    }

    fn kill(pid: libc::pid_t) {
        // SAFETY: no preconditions.
        unsafe { assert_eq!(libc::kill(pid, libc::SIGKILL), 0) };
    }

    /// G4, G5: the role is taken until the system is done with the dead, and the refusal says so.
    #[test]
    fn a_refusal_by_the_dying_says_so() {
        let _limit = Limit::new();
        let name = Name::new("dying");
        let mut process = Process::start("slow to die", &[&name]);
        let copy = process.expect("holds").parse().unwrap();
        let refused = KrenWriter::create(&name, PAGE).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::WriterExists {
                    holder: Holder::Other(_),
                    ..
                }
            ),
            "{refused:?}"
        );
        // Not waited for: it is as dead as it gets while the system has not let go of it.
        kill(process.pid() as libc::pid_t);
        let refused = KrenWriter::create(&name, PAGE).unwrap_err();
        assert!(
            matches!(refused, Error::WriterExists { holder: Holder::Dying(pid), .. } if pid == process.pid()),
            "{refused:?}"
        );
        let text = refused.to_string();
        assert!(text.contains("which is dying"), "{text}");
        assert!(text.contains("try again"), "{text}");
        kill(copy);
        process.end();
        while let Err(refused) = KrenWriter::create(&name, PAGE) {
            assert!(matches!(refused, Error::WriterExists { .. }), "{refused:?}");
        }
    }

    /// Holds the writer's role as process 1 of a pid namespace of its own.
    pub(super) fn elsewhere(role: &Role) {
        let name: String = role.arg(0);
        // SAFETY: no preconditions; this process runs one thread that matters, and the child does little.
        unsafe {
            if libc::unshare(libc::CLONE_NEWPID) != 0 {
                role.say("skipped", std::io::Error::last_os_error());
                return;
            }
            let child = libc::fork();
            if child == 0 {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                let _writer = KrenWriter::create(&name, PAGE).unwrap();
                role.say("holds", "");
                role.hear("go");
                libc::_exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        }
    }

    /// A number of another container is not given as if it meant something here.
    #[test]
    fn a_process_of_another_pid_namespace_is_named_as_such() {
        let _limit = Limit::new();
        let name = Name::new("elsewhere");
        let mut process = Process::start("elsewhere", &[&name]);
        match process.next() {
            Some((word, _)) if word == "holds" => {}
            said => {
                println!("skipped: {said:?}");
                return;
            }
        }
        let refused = KrenWriter::create(&name, PAGE).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::WriterExists {
                    holder: Holder::Elsewhere(1),
                    ..
                }
            ),
            "{refused:?}"
        );
        let text = refused.to_string();
        assert!(text.contains("pid 1 of another pid namespace"), "{text}");
        let mut reader = KrenReader::connect(&name).unwrap();
        process.tell("go");
        process.end();
        let died = reader.read().unwrap_err();
        assert!(matches!(died, Error::PeerDied { .. }), "{died:?}");
        assert!(died.to_string().contains("another pid namespace"), "{died}");
    }
}
