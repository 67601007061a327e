//! Blocking, timeouts, interruption, and waiting on another thread.

use crate::support::{Limit, Name, PAGE};
use kren_core::{Error, KrenReader, KrenWriter, Result, Strategy, Waiter};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const STRATEGIES: [Strategy; 3] = [Strategy::Spin, Strategy::Adaptive, Strategy::Sleep];

fn pair(name: &Name, strategy: Strategy) -> (KrenWriter, KrenReader) {
    let writer = KrenWriter::options()
        .strategy(strategy)
        .create(name, PAGE)
        .unwrap();
    let reader = KrenReader::options()
        .strategy(strategy)
        .connect(name)
        .unwrap();
    (writer, reader)
}

fn interrupted() -> Error {
    Error::Interrupted {
        channel: "test".into(),
    }
}

/// A timeout ends a wait, not before its time, whatever the strategy and the length.
#[test]
fn timeouts_end_a_wait() {
    let _limit = Limit::new();
    for strategy in STRATEGIES {
        let name = Name::new("timeout");
        let (mut writer, mut reader) = pair(&name, strategy);
        for timeout in [0, 1, 30, 150].map(Duration::from_millis) {
            let start = Instant::now();
            let late = reader.read_timeout(timeout).map(|_| ()).unwrap_err();
            assert!(
                matches!(late, Error::TimedOut { what: "message", after, .. }
                if after == timeout)
            );
            assert!(start.elapsed() >= timeout);
        }
        writer.write(&[0; PAGE - 8]).unwrap();
        for timeout in [0, 1, 30, 150].map(Duration::from_millis) {
            let start = Instant::now();
            let late = writer.write_timeout(b"", timeout).unwrap_err();
            assert!(matches!(late, Error::TimedOut { what: "room", .. }));
            let late = writer.reserve_timeout(1, timeout).map(|_| ()).unwrap_err();
            assert!(matches!(late, Error::TimedOut { what: "room", .. }));
            assert!(start.elapsed() >= 2 * timeout);
        }
        // A timeout beyond all clocks is for ever.
        assert_eq!(reader.read_timeout(Duration::MAX).unwrap(), &[0; PAGE - 8]);
    }
}

/// G9: both sides wait for each other a thousand times, whatever the strategy, and nobody is
/// forgotten.
#[test]
fn each_wait_is_ended_by_the_other_side() {
    let _limit = Limit::new();
    for strategy in STRATEGIES {
        let (there, back) = (Name::new("there"), Name::new("back"));
        let (mut question, mut questioned) = pair(&there, strategy);
        let (mut answer, mut answered) = pair(&back, strategy);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1000u32 {
                    let message = questioned.read().unwrap().to_vec();
                    answer.write(&message).unwrap();
                }
            });
            for at in 0..1000u32 {
                question.write(&at.to_le_bytes()).unwrap();
                assert_eq!(answered.read().unwrap(), &at.to_le_bytes());
            }
        });
    }
}

/// `check` is asked while a call waits, and its error ends the wait; nothing is lost by that.
#[test]
fn a_check_ends_a_wait() {
    let _limit = Limit::new();
    for strategy in STRATEGIES {
        let name = Name::new("check");
        let (mut writer, mut reader) = pair(&name, strategy);
        let mut left = 3;
        let mut check = || {
            left -= 1;
            if left == 0 {
                Err(interrupted())
            } else {
                Ok(())
            }
        };
        let ended = reader.wait_readable(None, &mut check);
        assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
        writer.write(&[1; PAGE - 8]).unwrap();
        let ended = writer.wait_writable(0, None, &mut || Err(interrupted()));
        assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
        let ended = writer.wait_drained(None, &mut || Err(interrupted()));
        assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
        assert_eq!(reader.read().unwrap(), &[1; PAGE - 8]);
    }
}

/// A check that panics leaves an endpoint that works, and that can be dropped.
#[test]
fn a_check_that_panics_does_no_harm() {
    let _limit = Limit::new();
    let name = Name::new("panic");
    let (mut writer, mut reader) = pair(&name, Strategy::Adaptive);
    for _ in 0..2 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = reader.wait_readable(None, &mut || std::panic::resume_unwind(Box::new(())));
        }));
        assert!(panicked.is_err());
    }
    writer.write(b"still here").unwrap();
    assert_eq!(reader.read().unwrap(), b"still here");
    drop((reader, writer));
    name.assert_gone();
}

/// A signal makes a sleeping call run its check at once, and the call sleeps on.
#[cfg(unix)]
#[test]
#[allow(unsafe_code)]
fn a_signal_runs_the_check() {
    const SIGNALS: u32 = 40;
    extern "C" fn nothing(_: libc::c_int) {}
    let _limit = Limit::new();
    // SAFETY: a zeroed sigaction is valid, and its handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()),
            0
        );
    }
    let name = Name::new("signal");
    let (_writer, mut reader) = pair(&name, Strategy::Sleep);
    let (tell, told) = mpsc::channel();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            // SAFETY: no preconditions.
            let own = unsafe { libc::pthread_self() } as usize;
            let mut checks = 0;
            reader.wait_readable(None, &mut || {
                checks += 1;
                tell.send(own).unwrap();
                if checks > SIGNALS {
                    Err(interrupted())
                } else {
                    Ok(())
                }
            })
        });
        let thread = told.recv().unwrap();
        for _ in 0..SIGNALS {
            loop {
                // SAFETY: the thread waits for these very signals, so it lives.
                unsafe { libc::pthread_kill(thread as libc::pthread_t, libc::SIGUSR1) };
                // One that comes between check and sleep is lost; the next one is not.
                match told.recv_timeout(Duration::from_millis(2)) {
                    Ok(_) => break,
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the wait ended"),
                }
            }
        }
        let ended = waiting.join().unwrap();
        assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
    });
    // Without signals each check would come after 100 ms.
    assert!(
        start.elapsed() < SIGNALS * Duration::from_millis(50),
        "{:?}",
        start.elapsed()
    );
}

/// Runs `wait` of a waiter on another thread, and `then` once it is about to wait.
fn meanwhile(waiter: &Waiter, then: impl FnOnce()) -> Result<()> {
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let waiting = scope.spawn(move || {
            tell.send(()).unwrap();
            waiter.wait(None)
        });
        told.recv().unwrap();
        then();
        waiting.join().unwrap()
    })
}

/// A waiter tells of readiness and takes nothing.
#[test]
fn a_waiter_tells_of_readiness() {
    let _limit = Limit::new();
    for strategy in STRATEGIES {
        let name = Name::new("waiter");
        let (mut writer, mut reader) = pair(&name, strategy);
        for _ in 0..20 {
            let waiter = reader.message_waiter().unwrap();
            assert!(matches!(
                waiter.wait(Some(Duration::ZERO)),
                Err(Error::TimedOut { .. })
            ));
            meanwhile(&waiter, || writer.write(&[1; PAGE - 8]).unwrap()).unwrap();
            waiter.wait(None).unwrap();

            let waiter = writer.room_waiter(100).unwrap();
            assert!(matches!(
                waiter.wait(Some(Duration::ZERO)),
                Err(Error::TimedOut { .. })
            ));
            meanwhile(&waiter, || {
                assert_eq!(reader.try_read().unwrap().unwrap().len(), PAGE - 8);
            })
            .unwrap();
            writer.try_write(&[1; 100]).unwrap();
            assert_eq!(reader.try_read().unwrap().unwrap(), &[1; 100]);
        }
        assert!(matches!(
            writer.room_waiter(PAGE),
            Err(Error::TooLarge { .. })
        ));
    }
}

/// A cancelled waiter returns, whether it waits already or not yet.
#[test]
fn a_waiter_can_be_cancelled() {
    let _limit = Limit::new();
    for strategy in STRATEGIES {
        let name = Name::new("cancel");
        let (_writer, reader) = pair(&name, strategy);
        for _ in 0..20 {
            let waiter = reader.message_waiter().unwrap();
            let ended = meanwhile(&waiter, || waiter.cancel());
            assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
            assert!(matches!(waiter.wait(None), Err(Error::Interrupted { .. })));
        }
        reader
            .message_waiter()
            .unwrap()
            .wait(Some(Duration::ZERO))
            .unwrap_err();
    }
}

/// Closing an endpoint ends the waiters it has, and does not wait for ever itself.
#[test]
fn closing_ends_a_waiter() {
    let _limit = Limit::new();
    for strategy in STRATEGIES {
        for _ in 0..20 {
            let name = Name::new("close-waiting");
            let (mut writer, reader) = pair(&name, strategy);
            let waiter = reader.message_waiter().unwrap();
            let ended = meanwhile(&waiter, || drop(reader));
            assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
            assert!(matches!(waiter.wait(None), Err(Error::Interrupted { .. })));

            writer.write(&[1; PAGE - 8]).unwrap();
            let reader = KrenReader::connect(&name).unwrap();
            let waiter = writer.room_waiter(1).unwrap();
            let ended = meanwhile(&waiter, || drop(writer));
            assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
            drop(reader);
        }
    }
}

/// A waiter is told of the peer's end.
#[test]
fn a_waiter_is_told_of_a_close() {
    let _limit = Limit::new();
    let name = Name::new("waiter-closed");
    let (writer, reader) = pair(&name, Strategy::Adaptive);
    let waiter = reader.message_waiter().unwrap();
    let ended = meanwhile(&waiter, || drop(writer));
    assert!(matches!(ended, Err(Error::Closed { .. })), "{ended:?}");
}

/// While a waiter waits the endpoint's own thread reads on, and is refused where it would wait.
#[test]
fn one_thread_waits_at_a_time() {
    let _limit = Limit::new();
    let name = Name::new("busy");
    let (mut writer, mut reader) = pair(&name, Strategy::Sleep);
    let waiter = reader.message_waiter().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                match waiter.wait(None) {
                    // The other thread was first.
                    Err(Error::Busy { .. }) => {}
                    ended => return ended,
                }
            }
        });
        // Until the waiter waits, this thread finds nothing itself.
        let busy = loop {
            match reader.read_timeout(Duration::from_millis(1)).map(|_| ()) {
                Err(Error::TimedOut { .. }) => {}
                other => break other,
            }
        };
        assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
        assert!(reader.try_read().unwrap().is_none());
        writer.write(b"x").unwrap();
        waiting.join().unwrap().unwrap();
        assert_eq!(reader.read().unwrap(), b"x");
    });
}
