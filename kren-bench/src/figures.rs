//! What was measured, and what it comes to.

use hdrhistogram::Histogram;

use crate::link::Test;
use crate::pair::Known;

/// One transport's turn in one round.
pub(crate) struct Figure {
    pub(crate) pair: String,
    pub(crate) transport: String,
    pub(crate) size: usize,
    pub(crate) test: Test,
    pub(crate) round: usize,
    /// Nanoseconds of a round trip, or of a message one way.
    pub(crate) ns: f64,
    /// Processor time of both processes, for each trip or message.
    pub(crate) cpu_ns: f64,
    /// Nanoseconds of a bare round trip, measured just before.
    pub(crate) raw: f64,
    /// Nanoseconds for one core to copy such a message into a ring and read it back, in the same round.
    pub(crate) copy: f64,
}

/// How far apart the two processors are, as the bare round trip tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placement {
    Near,
    Far,
}

impl Placement {
    /// Between what cores of one complex and what strangers take.
    const BORDER: f64 = 250.0;

    pub(crate) fn of(raw: f64) -> Self {
        if raw < Self::BORDER {
            Self::Near
        } else {
            Self::Far
        }
    }
}

/// All single round trips, or all wake-ups, of a transport.
pub(crate) struct Tail {
    pub(crate) pair: String,
    pub(crate) transport: String,
    pub(crate) size: usize,
    pub(crate) test: Test,
    pub(crate) histogram: Histogram<u64>,
}

/// What a reader costs that waits while nothing comes.
pub(crate) struct Idle {
    pub(crate) pair: String,
    pub(crate) transport: String,
    /// Share of one processor.
    pub(crate) load: f64,
    pub(crate) switches_per_second: f64,
}

/// What one process measured by itself.
pub(crate) struct Alone {
    pub(crate) what: String,
    pub(crate) size: usize,
    pub(crate) capacity: usize,
    pub(crate) ns: f64,
}

/// A transport that was left out from some point on.
pub(crate) struct Failure {
    pub(crate) pair: String,
    pub(crate) transport: String,
    pub(crate) size: usize,
    pub(crate) reason: String,
}

#[derive(Default)]
pub(crate) struct Figures {
    /// The pairs of languages, with their transports, in the order they are shown.
    pub(crate) pairs: Vec<(String, Vec<Known>)>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) tails: Vec<Tail>,
    pub(crate) idle: Vec<Idle>,
    pub(crate) alone: Vec<Alone>,
    pub(crate) failures: Vec<Failure>,
}

/// Which figures are meant.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) pair: &'a str,
    pub(crate) transport: &'a str,
    pub(crate) size: usize,
    pub(crate) test: Test,
    /// Only those of rounds with this placement.
    pub(crate) placement: Option<Placement>,
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

    /// A quantile of single round trips or of wake-ups, in nanoseconds.
    pub(crate) fn quantile(&self, choice: Choice<'_>, quantile: f64) -> Option<f64> {
        let tail = self.tail(choice)?;
        Some(tail.histogram.value_at_quantile(quantile) as f64)
    }

    pub(crate) fn tail(&self, choice: Choice<'_>) -> Option<&Tail> {
        self.tails.iter().find(|tail| {
            tail.pair == choice.pair
                && tail.transport == choice.transport
                && tail.size == choice.size
                && tail.test == choice.test
        })
    }

    /// Adds samples to the histogram they belong to.
    pub(crate) fn record(&mut self, choice: Choice<'_>, samples: &[f64]) {
        let same = |tail: &Tail| {
            tail.pair == choice.pair
                && tail.transport == choice.transport
                && tail.size == choice.size
                && tail.test == choice.test
        };
        let at = self.tails.iter().position(same).unwrap_or_else(|| {
            self.tails.push(Tail {
                pair: choice.pair.to_owned(),
                transport: choice.transport.to_owned(),
                size: choice.size,
                test: choice.test,
                histogram: Histogram::new(3).expect("three digits are allowed"),
            });
            self.tails.len() - 1
        });
        let histogram = &mut self.tails[at].histogram;
        for sample in samples {
            histogram
                .record(*sample as u64)
                .expect("the histogram grows");
        }
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
    fn a_median_is_the_middle() {
        assert_eq!(median([].into_iter()), None);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
    }
}
