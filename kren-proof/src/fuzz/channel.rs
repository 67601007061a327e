//! A channel name of this thread's own, and the file behind it.

use crate::format::{Segment, role};
use kren_core::KrenWriter;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Removes the file when it goes.
pub(super) struct Channel {
    pub(super) name: String,
    path: String,
}

impl Channel {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed));
        let name = NUMBER.with(|number| format!("fuzz-{}-{number}", std::process::id()));
        let path = format!("/dev/shm/kren-{name}");
        let channel = Self { name, path };
        channel.remove();
        channel
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn exists(&self) -> bool {
        fs::exists(&self.path).expect("/dev/shm can be looked at")
    }

    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::NotFound,
                "{}: {error}",
                self.path
            );
        }
    }

    /// Puts a file with these bytes in place of what is there.
    pub(super) fn put(&self, bytes: &[u8]) {
        use std::io::Write as _;
        self.remove();
        let mut options = fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path);
        file.and_then(|mut file| file.write_all(bytes))
            .expect("/dev/shm takes a small file");
    }

    /// Puts an empty channel in place, of one page and alignment 8, in which both sides have come to
    /// `position`, a multiple of 8, before they closed.
    pub(super) fn put_aged(&self, position: u64) {
        static NEW: OnceLock<Vec<u8>> = OnceLock::new();
        let new = NEW.get_or_init(|| {
            let own = Self::new();
            let _writer = KrenWriter::create(&own.name, 4096).expect("the name is new");
            own.bytes()
        });
        let mut bytes = new.clone();
        for page in 1..=2 {
            let at = page * 4096 + role::POSITION;
            bytes[at..at + 8].copy_from_slice(&position.to_le_bytes());
            bytes[page * 4096 + role::STATE] = 2;
        }
        self.put(&bytes);
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).expect("the channel exists")
    }

    pub(super) fn segment(&self) -> Segment {
        Segment::parse(self.bytes()).expect("kren-core makes sound segments")
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.remove();
    }
}
