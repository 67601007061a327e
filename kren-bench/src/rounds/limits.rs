//! The limits of the machine: what no transport is measured without.

use super::{Rounds, SMALL, positive};
use crate::Result;
use crate::figures::{Choice, Figure, Limits, Placement, median};
use crate::link::Test;
use crate::pair::{Opening, numbers};

/// Two bare atomics: the limit that every turn is seen beside.
pub(super) const RAW: &str = "raw";
/// A bare hand-over to one who sleeps.
pub(super) const FUTEX: &str = "futex";
pub(super) const RAW_TRIPS: u64 = 4_000;
/// How long measuring the bare round trip may take.
const RAW_NS: f64 = 2e6;
/// Bytes that no cache holds twice.
const MUCH: usize = 64 << 20;
const HAND_OVERS: u64 = 20;
/// Some milliseconds of arithmetic.
const WORK: u64 = 400_000;
/// Single bare round trips of a round.
const TIMED: u64 = 20_000;

impl Rounds<'_> {
    pub(super) fn open_limits(&mut self) -> Result<()> {
        self.limits().open(Opening::once(RAW, SMALL, 4096))?;
        if cfg!(target_os = "linux") {
            self.limits().open(Opening::once(FUTEX, SMALL, 4096))?;
        }
        Ok(())
    }

    /// All of them, before the turns of a round; gives the bare round trip, and what a message costs one core. They are kept
    /// where nothing disturbs them.
    pub(super) fn measure_limits(
        &mut self,
        size: usize,
        round: usize,
        is_kept: bool,
    ) -> Result<(f64, f64)> {
        let copies = (3e6 / (2.0 + size as f64 / 20.0)) as u64 + 1;
        let capacity = self.options.ring(size);
        let copy = self.limits().alone("copy", size, capacity, copies)?[0] / copies as f64;
        let memory = MUCH as f64 / self.limits().alone("bandwidth", MUCH, 0, 1)?[0];
        let reading = MUCH as f64 / self.limits().alone("reading", MUCH, 0, 1)?[0];
        let futex = match cfg!(target_os = "linux") {
            true => median(self.hand_overs(HAND_OVERS)?.into_iter()),
            false => None,
        };
        let slowdown = self.limits().slowdown(WORK)?;
        let raw = self.raw()?;
        if !is_kept {
            return Ok((raw, copy));
        }
        self.figures.limits.push(Limits {
            pair: self.name.clone(),
            size,
            round,
            raw,
            copy,
            memory,
            reading: Some(reading),
            futex,
            slowdown,
        });
        self.raw_turn(size, round, raw, copy)?;
        Ok((raw, copy))
    }

    /// Nanoseconds of bare hand-overs to one who sleeps.
    pub(super) fn hand_overs(&mut self, count: u64) -> Result<Vec<f64>> {
        let [sent, arrived] = self
            .limits()
            .run(FUTEX, Test::Wake, count)?
            .map(|side| numbers(&side["times"]));
        let times = sent.iter().zip(&arrived);
        Ok(times.map(|(sent, arrived)| arrived - sent).collect())
    }

    /// Nanoseconds of a bare round trip, now.
    pub(super) fn raw(&mut self) -> Result<f64> {
        let trips = self.raw_trips;
        let [lead, _] = self.limits().run(RAW, Test::Trips, trips)?;
        let ns = positive(&lead["ns"])? / trips as f64;
        // Where others want the processors, each trip may wait for its turn on them.
        self.raw_trips = ((RAW_NS / ns) as u64).clamp(50, RAW_TRIPS);
        Ok(ns)
    }

    /// The limit as a transport of its own, with its tail.
    fn raw_turn(&mut self, size: usize, round: usize, raw: f64, copy: f64) -> Result<()> {
        self.figures.figures.push(Figure {
            pair: self.name.clone(),
            transport: RAW.to_owned(),
            size,
            test: Test::Trips,
            round,
            ns: raw,
            cpu_ns: 2.0 * raw,
            raw,
            copy,
        });
        if !self.options.tests.contains(&Test::Timed) {
            return Ok(());
        }
        let trips = TIMED.min(5 * self.raw_trips);
        let [lead, _] = self.limits().run(RAW, Test::Timed, trips)?;
        let name = self.name.clone();
        let choice = Choice {
            pair: &name,
            transport: RAW,
            size,
            test: Test::Timed,
            placement: Some(Placement::of(raw)),
        };
        self.figures.record(choice, &numbers(&lead["samples"]));
        Ok(())
    }
}
