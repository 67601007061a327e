//! The system's clock is set while a channel is in use, backwards and forwards, by years.
//!
//! Setting it takes a privilege and disturbs the whole machine. So this program answers the question for the
//! time of day itself, with a time that jumps at each answer; the clock that only runs is left alone. On 32-bit
//! systems there is no time of day after 2038 to jump to.
#![cfg(all(target_os = "linux", target_pointer_width = "64", not(loom)))]
#![allow(unsafe_code)]

use kren_core::{Error, KrenReader, KrenWriter, Strategy};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

static QUESTIONS: AtomicI64 = AtomicI64::new(0);
const YEAR: i64 = 365 * 24 * 3600;

/// Takes the place of the C library's, for all of this program.
///
/// # Safety
///
/// `time` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> i32 {
    // SAFETY: `time` is writable, says the caller.
    unsafe {
        let answer = libc::syscall(libc::SYS_clock_gettime, clock, time) as i32;
        if answer == 0 && clock == libc::CLOCK_REALTIME {
            let question = QUESTIONS.fetch_add(1, Ordering::Relaxed);
            // 20 years ahead, 20 back, 40 ahead, ... and before 1970 at last.
            let years = 20 * (1 + question / 2 % 4);
            (*time).tv_sec += if question % 2 == 0 { years } else { -years } * YEAR;
        }
        answer
    }
}

/// Well beyond what a wait of some milliseconds takes, and far below a year.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits last as long as they were told to, and messages arrive, whatever the time of day.
#[test]
fn a_clock_that_is_set_disturbs_nobody() {
    let before = SystemTime::now();
    assert!(
        before > SystemTime::now(),
        "the clock is not the one that jumps"
    );
    let name = format!("clock-{}", std::process::id());
    let started = Instant::now();
    for strategy in [Strategy::Spin, Strategy::Adaptive, Strategy::Sleep] {
        for round in 0..20 {
            let options = KrenReader::options().timeout(Duration::from_millis(10));
            assert!(matches!(
                options.connect(&name),
                Err(Error::NotFound { .. })
            ));
            let mut writer = KrenWriter::options()
                .strategy(strategy)
                .create(&name, 4096)
                .unwrap();
            let mut reader = KrenReader::options()
                .strategy(strategy)
                .connect(&name)
                .unwrap();
            let wait = Duration::from_millis(20);
            let begun = Instant::now();
            let nothing = reader.read_timeout(wait).map(drop);
            assert!(
                matches!(nothing, Err(Error::TimedOut { .. })),
                "{nothing:?}"
            );
            assert!(
                begun.elapsed() >= wait,
                "round {round}: {:?}",
                begun.elapsed()
            );
            writer.write(&[1; 4088]).unwrap();
            let full = writer.write_timeout(b"x", wait);
            assert!(matches!(full, Err(Error::TimedOut { .. })), "{full:?}");
            // A wait of the longest kind is ended by its message.
            std::thread::scope(|scope| {
                let writing = scope.spawn(|| writer.write_timeout(b"x", Duration::from_secs(3600)));
                assert_eq!(reader.read().unwrap().len(), 4088);
                writing.join().unwrap().unwrap();
                assert_eq!(reader.read_timeout(Duration::MAX).unwrap(), b"x");
            });
            writer.drain(Duration::from_secs(3600)).unwrap();
            drop(writer);
            assert!(matches!(reader.read(), Err(Error::Closed { .. })));
        }
    }
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert!(QUESTIONS.load(Ordering::Relaxed) >= 60, "nobody has asked");
    let path = format!("/dev/shm/kren-{name}");
    assert!(!std::path::Path::new(&path).exists(), "{path} is left");
}
