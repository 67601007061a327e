//! Signals whose JavaScript handlers wait for this thread.
//!
//! Node runs the handler of a signal from the event loop: what runs when the signal comes (libuv's own handler) only
//! notes it in a pipe, which the loop reads when it turns. While a call blocks the loop no handler runs, and since there is
//! one, the system does not end the process either. So a call that blocks looks into that pipe now and then, and gives
//! up when a note lies there.
//!
//! Linux only: /proc tells which pipe it is. Elsewhere nothing is ever found.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
pub(crate) use self::linux::Pending;

/// Looks for signals that wait for this thread.
#[cfg(not(target_os = "linux"))]
pub(crate) struct Pending;

#[cfg(not(target_os = "linux"))]
impl Pending {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn look(&mut self) -> Option<i32> {
        None
    }
}

/// What the signal is called.
pub(crate) fn name(signal: i32) -> String {
    let known = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        14 => "SIGALRM",
        15 => "SIGTERM",
        #[cfg(target_os = "linux")]
        libc::SIGUSR1 => "SIGUSR1",
        #[cfg(target_os = "linux")]
        libc::SIGUSR2 => "SIGUSR2",
        _ => return format!("signal {signal}"),
    };
    known.into()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::ffi::c_int;
    use std::fs;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

    /// What libuv writes for each signal (`uv__signal_msg_t`): the address of a handle, the number, and zeros up to the
    /// alignment of an address.
    const NOTE: usize = 2 * size_of::<usize>();

    /// Looks for signals that wait for this thread.
    pub(crate) struct Pending {
        /// The reading ends of the pipes that may be the loop's; known from the first look on. They stay as they are
        /// while the thread blocks.
        pipes: Option<Vec<RawFd>>,
    }

    impl Pending {
        pub(crate) fn new() -> Self {
            Self { pipes: None }
        }

        /// A signal that would have ended the process, had it no handler, and whose handler waits for this thread.
        pub(crate) fn look(&mut self) -> Option<c_int> {
            let pipes = self.pipes.get_or_insert_with(|| {
                // Handlers run on the main thread, whatever a worker blocks for.
                if is_main_thread() {
                    inner_pipes()
                } else {
                    Vec::new()
                }
            });
            pipes.iter().find_map(|&pipe| noted(pipe))
        }
    }

    fn is_main_thread() -> bool {
        // SAFETY: takes no arguments and cannot fail.
        let thread = unsafe { libc::syscall(libc::SYS_gettid) };
        u32::try_from(thread) == Ok(std::process::id())
    }

    /// The reading ends of pipes of which this process has both ends, and on which nothing blocks.
    fn inner_pipes() -> Vec<RawFd> {
        let mut ends: HashMap<String, Vec<RawFd>> = HashMap::new();
        let Ok(entries) = fs::read_dir("/proc/self/fd") else {
            return Vec::new();
        };
        for entry in entries.flatten() {
            let number = entry.file_name().to_string_lossy().parse();
            let target = fs::read_link(entry.path());
            if let (Ok(number), Ok(target)) = (number, target)
                && let Some(target) = target.to_str().filter(|target| target.starts_with("pipe:"))
            {
                ends.entry(target.to_owned()).or_default().push(number);
            }
        }
        let inner = ends.into_values().filter(|ends| ends.len() > 1);
        inner.flatten().filter(|&end| is_reading(end)).collect()
    }

    fn is_reading(end: RawFd) -> bool {
        // SAFETY: queries of a descriptor; one that is open no more is an error.
        let flags = unsafe { libc::fcntl(end, libc::F_GETFL) };
        flags >= 0 && flags & libc::O_ACCMODE == libc::O_RDONLY && flags & libc::O_NONBLOCK != 0
    }

    /// The first signal that the notes in `pipe` tell of, if it holds notes; they are left there.
    fn noted(pipe: RawFd) -> Option<c_int> {
        let mut length: c_int = 0;
        // SAFETY: stores one `c_int`; a descriptor that is no pipe any more is an error.
        if unsafe { libc::ioctl(pipe, libc::FIONREAD, &mut length) } != 0 {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        if length == 0 || length % NOTE != 0 {
            return None;
        }
        let bytes = peek(pipe, length.min(64 * NOTE))?;
        let signals: Option<Vec<c_int>> = bytes.chunks(NOTE).map(signal_of).collect();
        signals?
            .into_iter()
            .find(|&signal| ends_the_process(signal))
    }

    /// Copies what is in `pipe`, which keeps it.
    fn peek(pipe: RawFd, length: usize) -> Option<Vec<u8>> {
        let mut ends = [0; 2];
        // SAFETY: stores two descriptors, which nobody else owns.
        let (reading, writing) = unsafe {
            if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
                return None;
            }
            (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
        };
        let mut bytes = vec![0; length];
        // SAFETY: `tee` takes descriptors alone; `read` stores at most `length` bytes in as many.
        let copied = unsafe {
            libc::tee(pipe, writing.as_raw_fd(), length, libc::SPLICE_F_NONBLOCK);
            libc::read(reading.as_raw_fd(), bytes.as_mut_ptr().cast(), length)
        };
        bytes.truncate(usize::try_from(copied).ok()?);
        Some(bytes)
    }

    /// The number in a note; `None` where it cannot be one.
    fn signal_of(note: &[u8]) -> Option<c_int> {
        let (address, rest) = note.split_first_chunk::<{ size_of::<usize>() }>()?;
        let (number, padding) = rest.split_first_chunk::<4>()?;
        let (address, number) = (
            usize::from_ne_bytes(*address),
            c_int::from_ne_bytes(*number),
        );
        let is_note = address != 0
            && address % align_of::<usize>() == 0
            && (1..=64).contains(&number)
            && padding.iter().all(|&byte| byte == 0);
        is_note.then_some(number)
    }

    /// Whether the signal ends a process that has no handler for it. The others can wait: children that end, a terminal
    /// that changes its size.
    fn ends_the_process(signal: c_int) -> bool {
        !matches!(
            signal,
            libc::SIGCHLD
                | libc::SIGCONT
                | libc::SIGURG
                | libc::SIGWINCH
                | libc::SIGTSTP
                | libc::SIGTTIN
                | libc::SIGTTOU
        )
    }
}
