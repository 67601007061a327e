//! Placeholder with the public signatures; the implementation follows.
#![allow(missing_docs, clippy::pedantic, unused, clippy::all)]
mod error;
pub use error::{Error, ErrorCode, Result, Role};
use std::time::Duration;

pub struct KrenWriter(());
#[derive(Clone, Debug, Default)]
pub struct WriterOptions(());
impl WriterOptions {
    pub fn mode(self, mode: u32) -> Self { self }
    pub fn alignment(self, a: usize) -> Self { self }
    pub fn fresh(self, a: bool) -> Self { self }
    pub fn any_owner(self, a: bool) -> Self { self }
    pub fn strategy(self, a: Strategy) -> Self { self }
    pub fn prefault(self, a: bool) -> Self { self }
    pub fn create(&self, name: &str, capacity: usize) -> Result<KrenWriter> { unimplemented!() }
}
pub struct Slot<'a>(&'a mut [u8]);
impl Slot<'_> {
    pub fn set_tag(&mut self, tag: u32) {}
    pub fn commit(self) {}
    pub fn commit_len(self, n: usize) -> Result<()> { unimplemented!() }
}
impl std::ops::Deref for Slot<'_> { type Target = [u8]; fn deref(&self) -> &[u8] { self.0 } }
impl std::ops::DerefMut for Slot<'_> { fn deref_mut(&mut self) -> &mut [u8] { self.0 } }
pub struct Batch<'a>(&'a mut KrenWriter);
impl Batch<'_> {
    pub fn push(&mut self, d: &[u8]) -> Result<()> { unimplemented!() }
    pub fn push_tagged(&mut self, tag: u32, d: &[u8]) -> Result<()> { unimplemented!() }
    pub fn commit(self) {}
}
impl KrenWriter {
    pub fn create(name: &str, capacity: usize) -> Result<Self> { unimplemented!() }
    pub fn options() -> WriterOptions { unimplemented!() }
    pub fn write(&mut self, data: &[u8]) -> Result<()> { unimplemented!() }
    pub fn try_write(&mut self, data: &[u8]) -> Result<()> { unimplemented!() }
    pub fn write_timeout(&mut self, data: &[u8], timeout: Duration) -> Result<()> { unimplemented!() }
    pub fn write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> { unimplemented!() }
    pub fn try_write_tagged(&mut self, tag: u32, data: &[u8]) -> Result<()> { unimplemented!() }
    pub fn reserve(&mut self, len: usize) -> Result<Slot<'_>> { unimplemented!() }
    pub fn try_reserve(&mut self, len: usize) -> Result<Slot<'_>> { unimplemented!() }
    pub fn reserve_timeout(&mut self, len: usize, timeout: Duration) -> Result<Slot<'_>> { unimplemented!() }
    pub fn batch(&mut self) -> Batch<'_> { unimplemented!() }
    pub fn available(&self) -> usize { unimplemented!() }
    pub fn capacity(&self) -> usize { unimplemented!() }
    pub fn max_message_len(&self) -> usize { unimplemented!() }
    pub fn alignment(&self) -> usize { unimplemented!() }
    pub fn name(&self) -> &str { unimplemented!() }
    pub fn flush(&mut self) -> Result<()> { unimplemented!() }
    pub fn drain(&mut self, timeout: Duration) -> Result<()> { unimplemented!() }
    pub fn reader_state(&self) -> PeerState { unimplemented!() }
    pub fn close(self) -> Result<()> { unimplemented!() }
    pub fn wait_writable(&mut self, len: usize, timeout: Option<Duration>, check: &mut dyn FnMut() -> Result<()>) -> Result<()> { unimplemented!() }
    pub fn wait_drained(&mut self, timeout: Option<Duration>, check: &mut dyn FnMut() -> Result<()>) -> Result<()> { unimplemented!() }
    pub fn room_waiter(&self, len: usize) -> Result<Waiter> { unimplemented!() }
}
pub struct KrenReader(());
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions(());
impl ReaderOptions {
    pub fn any_owner(self, a: bool) -> Self { self }
    pub fn strategy(self, a: Strategy) -> Self { self }
    pub fn prefault(self, a: bool) -> Self { self }
    pub fn timeout(self, a: Duration) -> Self { self }
    pub fn connect(&self, name: &str) -> Result<KrenReader> { unimplemented!() }
}
impl KrenReader {
    pub fn connect(name: &str) -> Result<Self> { unimplemented!() }
    pub fn options() -> ReaderOptions { unimplemented!() }
    pub fn read(&mut self) -> Result<Message<'_>> { unimplemented!() }
    pub fn try_read(&mut self) -> Result<Option<Message<'_>>> { unimplemented!() }
    pub fn read_timeout(&mut self, timeout: Duration) -> Result<Message<'_>> { unimplemented!() }
    pub fn available(&self) -> usize { unimplemented!() }
    pub fn capacity(&self) -> usize { unimplemented!() }
    pub fn alignment(&self) -> usize { unimplemented!() }
    pub fn name(&self) -> &str { unimplemented!() }
    pub fn is_writer_closed(&self) -> bool { unimplemented!() }
    pub fn writer_state(&self) -> PeerState { unimplemented!() }
    pub fn close(self) -> Result<()> { unimplemented!() }
    pub fn wait_readable(&mut self, timeout: Option<Duration>, check: &mut dyn FnMut() -> Result<()>) -> Result<()> { unimplemented!() }
    pub fn message_waiter(&self) -> Result<Waiter> { unimplemented!() }
}
pub struct Message<'a>(&'a [u8]);
impl Message<'_> { pub fn tag(&self) -> u32 { 0 } }
impl std::ops::Deref for Message<'_> { type Target = [u8]; fn deref(&self) -> &[u8] { self.0 } }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState { NeverAttached, Attached, Closed, Died }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy { Spin, #[default] Adaptive, Sleep }
pub struct Waiter(());
impl Waiter {
    pub fn wait(&self, timeout: Option<Duration>) -> Result<()> { unimplemented!() }
    pub fn cancel(&self) {}
}
