//! A peer that strikes between two accesses of one operation (G7).
#![allow(unsafe_code)]

use super::hostile::{prepare, read_all, suspects, write_all};
use super::rig::Checked;
use crate::Role;
use crate::layout::RolePage;
use crate::ring::{Consumer, Memory, Producer};
use crate::sync::AtomicU64;
use std::cell::Cell;

/// Memory whose peer strikes in the middle of an operation, just before a chosen access.
struct Meddled<'a> {
    memory: Checked,
    left: Cell<u32>,
    strike: &'a dyn Fn(),
}

impl Meddled<'_> {
    fn count(&self) {
        match self.left.get() {
            0 => {}
            1 => {
                self.left.set(0);
                (self.strike)();
            }
            left => self.left.set(left - 1),
        }
    }
}

// SAFETY: hands out what the inner memory hands out.
unsafe impl Memory for Meddled<'_> {
    fn page(&self, role: Role) -> &RolePage {
        self.count();
        self.memory.page(role)
    }

    fn header(&self, offset: usize) -> &AtomicU64 {
        self.count();
        self.memory.header(offset)
    }

    fn payload(&self, offset: usize, len: usize) -> *const u8 {
        self.count();
        self.memory.payload(offset, len)
    }

    fn payload_mut(&self, offset: usize, len: usize) -> *mut u8 {
        self.count();
        self.memory.payload_mut(offset, len)
    }
}

/// A word that was checked and is then altered, between any two accesses of an operation: what was
/// found sound once is not relied on when it is read again.
#[test]
fn a_peer_that_strikes_between_two_loads_does_no_harm() {
    let (rig, _) = prepare();
    let positions = suspects(rig.position(Role::Reader), &rig);
    for access in 1..14 {
        for suspect in &positions {
            for role in [Role::Writer, Role::Reader] {
                let (rig, starts) = prepare();
                // Records all over the ring, so that a walk has far to go.
                rig.set_position(Role::Writer, starts[0]);
                for offset in (0..rig.shape.data_len).step_by(8) {
                    rig.set_word(offset, 1);
                }
                let strike = || rig.set_position(role, *suspect);
                let meddled = |of| Meddled {
                    memory: rig.memory(of),
                    left: Cell::new(access),
                    strike: &strike,
                };
                if let Ok(mut producer) = Producer::resume(meddled(Role::Writer), rig.shape) {
                    let _ = write_all(&mut producer);
                }

                let (rig, _) = prepare();
                let strike = || rig.set_position(role, *suspect);
                let meddled = |of| Meddled {
                    memory: rig.memory(of),
                    left: Cell::new(access),
                    strike: &strike,
                };
                if let Ok(mut producer) = Producer::resume(meddled(Role::Writer), rig.shape) {
                    let _ = write_all(&mut producer);
                }
                if let Ok(mut consumer) = Consumer::resume(meddled(Role::Reader), rig.shape) {
                    let _ = read_all(&mut consumer);
                }
            }
        }
    }
}
