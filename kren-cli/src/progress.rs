//! How far a transfer has come, shown on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Bytes, messages, rate and time, on the error stream where that is a terminal and the stream goes elsewhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    shown: Instant,
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

/// Between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

impl Progress {
    /// `is_busy`: the terminal is used by the transfer itself.
    pub(crate) fn new(is_busy: bool) -> Self {
        let is_shown = std::io::stderr().is_terminal() && !is_busy;
        let bar = is_shown.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = "{spinner} {msg}  {bytes}  {binary_bytes_per_sec}  {elapsed_precise}";
            bar.with_style(ProgressStyle::with_template(style).expect("a template that is known"))
        });
        Self {
            bar,
            shown: Instant::now(),
            bytes: 0,
            messages: 0,
        }
    }

    pub(crate) fn add(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
        if let Some(bar) = &self.bar
            && self.shown.elapsed() >= PAUSE
        {
            self.shown = Instant::now();
            bar.set_message(format!("{} messages", self.messages));
            bar.set_position(self.bytes);
            bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} messages", self.messages));
            bar.set_position(self.bytes);
            bar.abandon();
        }
    }
}

/// The input as a file, without a buffer of the library's in between.
pub(crate) fn input() -> std::io::Result<std::fs::File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let file = std::io::stdin().as_fd().try_clone_to_owned()?;
        crate::signals::widen_pipe(&file);
        Ok(file.into())
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::AsHandle;
        Ok(std::io::stdin().as_handle().try_clone_to_owned()?.into())
    }
}

/// The output, likewise.
pub(crate) fn output() -> std::io::Result<std::fs::File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let file = std::io::stdout().as_fd().try_clone_to_owned()?;
        crate::signals::widen_pipe(&file);
        Ok(file.into())
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::AsHandle;
        Ok(std::io::stdout().as_handle().try_clone_to_owned()?.into())
    }
}
