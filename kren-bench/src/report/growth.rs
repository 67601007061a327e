//! What growing costs, as a table.

use super::page::Page;
use super::{digits, size_name, time};
use crate::figures::{Figures, Grown, Growth, median};

pub(super) fn fill(page: &mut Page, figures: &Figures) {
    for (pair, _) in &figures.pairs {
        table(
            page,
            figures,
            pair,
            "open channels, one of them used",
            Growth::Beside,
            usize::to_string,
        );
        table(
            page,
            figures,
            pair,
            "channels, each message through the next",
            Growth::Around,
            usize::to_string,
        );
        table(
            page,
            figures,
            pair,
            "capacity of the channel",
            Growth::Capacity,
            |at| size_name(*at),
        );
    }
}

fn table(
    page: &mut Page,
    figures: &Figures,
    pair: &str,
    what: &str,
    growth: Growth,
    name: impl Fn(&usize) -> String,
) {
    let rows = steps(figures, pair, growth).into_iter().map(|at| {
        let of = |value: fn(&Grown) -> f64| {
            median_of(figures, pair, growth, at, value).unwrap_or(f64::NAN)
        };
        let cells = vec![
            time(of(|grown| grown.trip)),
            digits(of(|grown| grown.trip / grown.raw)),
            format!("{} M/s", digits(1e3 / of(|grown| grown.message))),
        ];
        (name(&at), cells)
    });
    let heads = ["round trip", "x raw", "one way"].map(str::to_owned);
    page.table(
        &format!("{pair}, 64 B, by {what}"),
        &heads,
        &rows.collect::<Vec<_>>(),
    );
}

/// How much of it was measured, ascending.
pub(super) fn steps(figures: &Figures, pair: &str, growth: Growth) -> Vec<usize> {
    let ours = figures
        .grown
        .iter()
        .filter(|grown| grown.pair == pair && grown.what == growth);
    let mut steps: Vec<usize> = ours.map(|grown| grown.at).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

pub(super) fn median_of(
    figures: &Figures,
    pair: &str,
    growth: Growth,
    at: usize,
    value: impl Fn(&Grown) -> f64,
) -> Option<f64> {
    let ours = figures.grown.iter();
    let ours = ours.filter(|grown| grown.pair == pair && grown.what == growth && grown.at == at);
    median(ours.map(value))
}
