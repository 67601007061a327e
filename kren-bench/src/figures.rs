//! What was measured, and what it comes to.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::link::Test;
use crate::pair::Known;

/// One transport's turn in one round.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) pair: String,
    pub(crate) transport: String,
    pub(crate) size: usize,
    pub(crate) test: Test,
    pub(crate) round: usize,
    /// Nanoseconds of a round trip, of a message one way, or of a wake-up (the median of this turn's).
    pub(crate) ns: f64,
    /// Processor time of both processes, for each trip or message.
    pub(crate) cpu_ns: f64,
    /// Nanoseconds of a bare round trip, the mean of before and after.
    #[serde(rename = "raw_ns")]
    pub(crate) raw: f64,
    /// Nanoseconds for one core to copy such a message into a ring and read it back, in the same round.
    #[serde(rename = "copy_ns")]
    pub(crate) copy: f64,
}

/// How far apart the two processors are, as the bare round trip tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Placement {
    Near,
    Far,
}

impl Placement {
    /// Between what cores of one complex and what strangers take.
    const BORDER: f64 = 250.0;
    /// By how much two bare round trips in one place differ at most.
    const STEADY: f64 = 1.5;

    pub(crate) fn of(raw: f64) -> Self {
        if raw < Self::BORDER {
            Self::Near
        } else {
            Self::Far
        }
    }

    /// Where the processors were from one bare round trip to the next; `None` if they were moved meanwhile.
    pub(crate) fn between(before: f64, after: f64) -> Option<Self> {
        let is_steady = before.max(after) <= Self::STEADY * before.min(after);
        let place = Self::of(before);
        (is_steady && place == Self::of(after)).then_some(place)
    }
}

/// What single round trips, or wake-ups, come to, in nanoseconds.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    #[serde(rename = "min_ns")]
    pub(crate) min: u64,
    #[serde(rename = "p50_ns")]
    pub(crate) p50: u64,
    #[serde(rename = "p99_ns")]
    pub(crate) p99: u64,
    #[serde(rename = "p999_ns")]
    pub(crate) p999: u64,
    /// Absent from older records.
    #[serde(rename = "p9999_ns", default)]
    pub(crate) p9999: Option<u64>,
    #[serde(rename = "max_ns")]
    pub(crate) max: u64,
}

impl Summary {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            min: histogram.min(),
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            p9999: Some(histogram.value_at_quantile(0.9999)),
            max: histogram.max(),
        }
    }
}

/// All single round trips, or all wake-ups, of a transport.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) pair: String,
    pub(crate) transport: String,
    pub(crate) size: usize,
    pub(crate) test: Test,
    /// Of rounds with this placement; all rounds if none.
    pub(crate) placement: Option<Placement>,
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// Absent from what was read from a record.
    #[serde(skip)]
    pub(crate) histogram: Option<Histogram<u64>>,
}

impl Tail {
    pub(crate) fn choice(&self) -> Choice<'_> {
        Choice {
            pair: &self.pair,
            transport: &self.transport,
            size: self.size,
            test: self.test,
            placement: self.placement,
        }
    }

    pub(crate) fn is(&self, choice: Choice<'_>) -> bool {
        self.choice() == choice
    }
}

/// The limits of the machine in one round.
#[derive(Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) pair: String,
    pub(crate) size: usize,
    pub(crate) round: usize,
    /// Nanoseconds of a bare round trip.
    #[serde(rename = "raw_ns")]
    pub(crate) raw: f64,
    /// Nanoseconds of a message of this size for one core, into a ring and out of it.
    #[serde(rename = "copy_ns")]
    pub(crate) copy: f64,
    /// Bytes that one core copies in a nanosecond, from memory to memory.
    #[serde(rename = "memory_bytes_per_ns")]
    pub(crate) memory: f64,
    /// Bytes of memory that one core reads in a nanosecond, a word of each line; absent from older records.
    #[serde(rename = "reading_bytes_per_ns")]
    pub(crate) reading: Option<f64>,
    /// Nanoseconds of a bare futex hand-over; absent where there is no futex.
    #[serde(rename = "futex_ns")]
    pub(crate) futex: Option<f64>,
    /// How much longer a processor takes while the other one works too: 1 if they share nothing.
    pub(crate) slowdown: f64,
}

/// What a reader costs that waits while nothing comes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) pair: String,
    pub(crate) transport: String,
    /// Share of one processor.
    pub(crate) load: f64,
    pub(crate) switches_per_second: f64,
}

/// What one process measured by itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Alone {
    pub(crate) what: String,
    pub(crate) size: usize,
    pub(crate) capacity: usize,
    pub(crate) ns: f64,
}

/// A transport that was left out from some point on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) pair: String,
    pub(crate) transport: String,
    pub(crate) size: usize,
    pub(crate) reason: String,
}

/// What there is more of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Growth {
    /// Channels that are open beside the one that is used.
    Beside,
    /// Channels that the messages take in turn.
    Around,
    /// Bytes of memory for messages on their way.
    Capacity,
}

/// What one round measured with so much of it, messages of 64 bytes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Grown {
    pub(crate) pair: String,
    pub(crate) what: Growth,
    pub(crate) at: usize,
    pub(crate) round: usize,
    /// Nanoseconds of a bare round trip, the mean of before and after.
    #[serde(rename = "raw_ns")]
    pub(crate) raw: f64,
    /// Nanoseconds of a round trip.
    #[serde(rename = "trip_ns")]
    pub(crate) trip: f64,
    /// Nanoseconds of a message one way.
    #[serde(rename = "message_ns")]
    pub(crate) message: f64,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The pairs of languages, with their transports, in the order they are shown.
    pub(crate) pairs: Vec<(String, Vec<Known>)>,
    #[serde(rename = "turns")]
    pub(crate) figures: Vec<Figure>,
    pub(crate) tails: Vec<Tail>,
    pub(crate) limits: Vec<Limits>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) alone: Vec<Alone>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) grown: Vec<Grown>,
}

/// Which figures are meant.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Choice<'a> {
    pub(crate) pair: &'a str,
    pub(crate) transport: &'a str,
    pub(crate) size: usize,
    pub(crate) test: Test,
    /// Only those of rounds with this placement.
    pub(crate) placement: Option<Placement>,
}

impl Choice<'_> {
    pub(crate) fn placed(self, placement: Option<Placement>) -> Self {
        Self { placement, ..self }
    }
}

impl Figures {
    pub(crate) fn chosen<'a>(
        &'a self,
        choice: Choice<'a>,
    ) -> impl Iterator<Item = &'a Figure> + 'a {
        self.figures.iter().filter(move |figure| {
            figure.pair == choice.pair
                && figure.transport == choice.transport
                && figure.size == choice.size
                && figure.test == choice.test
                && choice
                    .placement
                    .is_none_or(|placement| Placement::of(figure.raw) == placement)
        })
    }

    /// Counts its rounds from `first` on.
    pub(crate) fn move_rounds(&mut self, first: usize) {
        let rounds = self.figures.iter_mut().map(|figure| &mut figure.round);
        let rounds = rounds.chain(self.limits.iter_mut().map(|limits| &mut limits.round));
        let rounds = rounds.chain(self.grown.iter_mut().map(|grown| &mut grown.round));
        rounds.for_each(|round| *round += first);
    }

    /// How the processors lay in most rounds of a pair of languages.
    pub(crate) fn usual_placement(&self, pair: &str) -> Placement {
        let ours = self.figures.iter().filter(|figure| figure.pair == pair);
        let (near, far): (Vec<_>, Vec<_>) =
            ours.partition(|figure| Placement::of(figure.raw) == Placement::Near);
        if near.len() > far.len() {
            Placement::Near
        } else {
            Placement::Far
        }
    }

    /// The median of `value` over the chosen rounds.
    pub(crate) fn median(&self, choice: Choice<'_>, value: impl Fn(&Figure) -> f64) -> Option<f64> {
        median(self.chosen(choice).map(value))
    }

    /// The median over the rounds that have both of `ours` in relation to `theirs`.
    pub(crate) fn against(&self, ours: Choice<'_>, theirs: Choice<'_>) -> Option<f64> {
        median(self.chosen(ours).filter_map(|figure| {
            let other = self
                .chosen(theirs)
                .find(|other| other.round == figure.round)?;
            Some(figure.ns / other.ns)
        }))
    }

    pub(crate) fn tail(&self, choice: Choice<'_>) -> Option<Summary> {
        let tail = self.tails.iter().find(|tail| tail.is(choice))?;
        Some(tail.summary)
    }

    /// Adds samples to what is known of all rounds, and of those with this placement.
    pub(crate) fn record(&mut self, choice: Choice<'_>, samples: &[f64]) {
        self.add(choice, samples);
        if choice.placement.is_some() {
            let placement = None;
            self.add(
                Choice {
                    placement,
                    ..choice
                },
                samples,
            );
        }
    }

    fn add(&mut self, choice: Choice<'_>, samples: &[f64]) {
        let at = self.tails.iter().position(|tail| tail.is(choice));
        let at = at.unwrap_or_else(|| {
            self.tails.push(Tail {
                pair: choice.pair.to_owned(),
                transport: choice.transport.to_owned(),
                size: choice.size,
                test: choice.test,
                placement: choice.placement,
                summary: Summary::default(),
                histogram: None,
            });
            self.tails.len() - 1
        });
        let tail = &mut self.tails[at];
        let histogram = tail
            .histogram
            .get_or_insert_with(|| Histogram::new(3).expect("three digits are allowed"));
        for sample in samples {
            histogram
                .record(*sample as u64)
                .expect("the histogram grows");
        }
        tail.summary = Summary::of(histogram);
    }

    /// The median of what one process measured by itself.
    pub(crate) fn alone(&self, what: &str, size: usize, capacity: usize) -> Option<f64> {
        let same = |alone: &&Alone| {
            alone.what == what
                && alone.size == size
                && (capacity == 0 || alone.capacity == capacity)
        };
        median(self.alone.iter().filter(same).map(|alone| alone.ns))
    }

    /// The sizes of messages that a pair was measured with, ascending.
    pub(crate) fn sizes(&self, pair: &str) -> Vec<usize> {
        let ours = self.limits.iter().filter(|limits| limits.pair == pair);
        let mut sizes: Vec<usize> = ours.map(|limits| limits.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The median over the rounds of a pair with messages of one size.
    pub(crate) fn copy(&self, pair: &str, size: usize) -> Option<f64> {
        let ours = self.limits.iter().filter(|limits| limits.pair == pair);
        median(
            ours.filter(|limits| limits.size == size)
                .map(|limits| limits.copy),
        )
    }
}

/// The middle one, or the mean of the middle two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_that_were_moved_are_nowhere() {
        assert_eq!(Placement::between(105.0, 130.0), Some(Placement::Near));
        assert_eq!(Placement::between(400.0, 450.0), Some(Placement::Far));
        for (before, after) in [
            (105.0, 400.0),
            (400.0, 105.0),
            (105.0, 200.0),
            (300.0, 500.0),
        ] {
            assert_eq!(Placement::between(before, after), None);
        }
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median([].into_iter()), None);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
    }

    fn choice(transport: &str, placement: Option<Placement>) -> Choice<'_> {
        Choice {
            pair: "one to other",
            transport,
            size: 64,
            test: Test::Trips,
            placement,
        }
    }

    fn turn(transport: &str, round: usize, ns: f64, raw: f64) -> Figure {
        Figure {
            pair: "one to other".to_owned(),
            transport: transport.to_owned(),
            size: 64,
            test: Test::Trips,
            round,
            ns,
            cpu_ns: 0.0,
            raw,
            copy: 1.0,
        }
    }

    /// The machine may change from round to round: what counts is how two compare in the same one.
    #[test]
    fn a_ratio_is_taken_within_the_round() {
        let mut figures = Figures::default();
        for (round, speed) in [(0, 1.0), (1, 10.0), (2, 100.0)] {
            figures.figures.push(turn("a", round, 3.0 * speed, 100.0));
            figures.figures.push(turn("b", round, 2.0 * speed, 100.0));
        }
        // A round that the other one was not in.
        figures.figures.push(turn("a", 3, 999.0, 100.0));
        let ratio = figures.against(choice("a", None), choice("b", None));
        assert_eq!(ratio, Some(1.5));
        assert_eq!(figures.against(choice("a", None), choice("c", None)), None);
    }

    #[test]
    fn placements_are_not_mixed() {
        let mut figures = Figures::default();
        figures.figures.push(turn("a", 0, 100.0, 100.0));
        figures.figures.push(turn("a", 1, 400.0, 500.0));
        let ns = |placement| figures.median(choice("a", placement), |figure| figure.ns);
        assert_eq!(ns(Some(Placement::Near)), Some(100.0));
        assert_eq!(ns(Some(Placement::Far)), Some(400.0));
        assert_eq!(ns(None), Some(250.0));
    }

    #[test]
    fn tails_are_kept_for_each_placement_and_for_all() {
        let mut figures = Figures::default();
        figures.record(choice("a", Some(Placement::Near)), &[100.0; 99]);
        figures.record(choice("a", Some(Placement::Far)), &[500.0; 2]);
        let tail = |placement| figures.tail(choice("a", placement)).unwrap();
        assert_eq!(tail(None).count, 101);
        assert_eq!((tail(None).p50, tail(None).p99), (100, 500));
        assert_eq!(tail(Some(Placement::Far)).min, 500);
        assert_eq!(tail(Some(Placement::Near)).max, 100);
    }
}
