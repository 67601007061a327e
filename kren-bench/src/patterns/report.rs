//! What the contests came to: each row of the table of targets, and all figures as JSON.

use serde_json::{Value, json};

use super::contest::{Act, Bound, Outcome, Verdict};
use super::rows::TITLES;
use crate::Result;
use crate::figures::median;
use crate::options::Options;
use crate::report::page::Page;
use crate::report::{digits, record, table, time, write};

/// The medians, and the ratio of the two within the rounds.
struct Judged<'a> {
    verdict: &'a Verdict,
    ours: f64,
    theirs: Option<f64>,
    /// As the bound puts it: so many times as long, or as fast.
    ratio: f64,
    /// The lower and the upper quartile of the rounds.
    quartiles: [f64; 2],
    is_met: bool,
    /// Where processes shared a processor.
    shared: bool,
}

pub(super) fn report(
    options: &Options,
    machine: &Value,
    work: Option<&Value>,
    outcomes: &[Outcome],
) -> Result<()> {
    let run = json!({
        "quick": options.quick, "rounds": options.rounds, "run_ns": options.run_ns,
        "load_at_the_end": crate::machine::load(), "processors": work,
    });
    let mut pages = vec![(Page::console(), None)];
    pages.extend(
        options
            .markdown
            .as_ref()
            .map(|file| (Page::markdown(), Some(file))),
    );
    for (page, file) in &mut pages {
        table::known(page, "Machine", machine);
        table::known(page, "Run", &run);
        for (row, title) in (1..).zip(TITLES) {
            fill(page, row, title, outcomes);
        }
        page.line(
            "Ratios are medians of the rounds, each within its round; in brackets the quartiles. Processors: \"own\" where \
             each process had one, \"shared\" where there were more processes than processors.",
        );
        match file {
            None => print!("{}", page.text()),
            Some(file) => write(file, "Document", page.text())?,
        }
    }
    if let Some(file) = &options.json {
        let cases: Vec<Value> = outcomes.iter().map(keep).collect();
        let record = json!({ "machine": machine, "run": run, "cases": cases });
        record::write(file, &record)?;
    }
    Ok(())
}

fn fill(page: &mut Page, row: usize, title: &str, outcomes: &[Outcome]) {
    let ours: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.contest.row == row)
        .collect();
    if ours.is_empty() {
        return;
    }
    page.heading(&format!("{row}. {title}"));
    let heads = [
        "KREN",
        "beside",
        "takes",
        "ratio",
        "quartiles",
        "target",
        "",
        "processors",
    ];
    let mut rows = vec![];
    for outcome in &ours {
        let contest = &outcome.contest;
        let unit = |value| match contest.act {
            Act::Idle => format!("{} %", digits(value * 100.0)),
            _ => time(value),
        };
        for judged in judge(outcome) {
            let (word, target) = match judged.verdict.bound {
                Bound::AtMost(most) => ("x as long", format!("<= {most}")),
                Bound::AtLeast(1.0) => ("x as fast", "> 1".to_owned()),
                Bound::AtLeast(least) => ("x as fast", format!(">= {least}")),
                Bound::Below(most) => ("", format!("<= {}", unit(most))),
            };
            let ratio = match judged.verdict.bound {
                Bound::Below(_) => "-".to_owned(),
                _ => format!("{:.2} {word}", judged.ratio),
            };
            let [low, high] = judged.quartiles;
            rows.push((
                format!("{:?}, {}", contest.language, contest.case),
                vec![
                    format!("{} {}", judged.verdict.ours, unit(judged.ours)),
                    judged.verdict.theirs.clone(),
                    judged.theirs.map_or("-".to_owned(), unit),
                    ratio,
                    format!("{low:.2} - {high:.2}"),
                    target,
                    if judged.is_met { "met" } else { "missed" }.to_owned(),
                    if judged.shared { "shared" } else { "own" }.to_owned(),
                ],
            ));
        }
    }
    page.table("Medians", &heads.map(str::to_owned), &rows);
    // Each reason once, with the cases that it holds for.
    let mut left_out: Vec<(String, String, Vec<&str>)> = vec![];
    for outcome in &ours {
        let contest = &outcome.contest;
        for (name, why) in &outcome.left_out {
            let why = format!("{:?}, {why}", contest.language);
            let same =
                |(other, reason, _): &&mut (String, String, _)| other == name && *reason == why;
            match left_out.iter_mut().find(same) {
                Some((_, _, cases)) => cases.push(&contest.case),
                None => left_out.push((name.clone(), why, vec![&contest.case])),
            }
        }
    }
    let left_out = left_out.into_iter();
    let left_out =
        left_out.map(|(name, why, cases)| (name, format!("{why} ({})", cases.join("; "))));
    page.list("Left out", &left_out.collect::<Vec<_>>());
}

/// Every verdict that both contenders have figures for.
fn judge(outcome: &Outcome) -> Vec<Judged<'_>> {
    let turns = |name: &str| {
        let at = outcome
            .contest
            .contenders
            .iter()
            .position(|one| one.name == name)?;
        Some((&outcome.turns[at], outcome.shared[at]))
    };
    let middle = |turns: &[Option<f64>]| median(turns.iter().flatten().copied());
    let judge = |verdict: &'_ Verdict| {
        let (ours, shared) = turns(&verdict.ours)?;
        let (theirs, ratios): (_, Vec<f64>) = match (verdict.bound, turns(&verdict.theirs)) {
            (Bound::Below(_), _) => (None, ours.iter().flatten().copied().collect()),
            (_, None) => return None,
            (bound, Some((theirs, _))) => {
                let both = ours
                    .iter()
                    .zip(theirs)
                    .filter_map(|(ours, theirs)| ours.zip(*theirs));
                let ratios = both.map(|(ours, theirs)| match bound {
                    Bound::AtLeast(_) => theirs / ours,
                    _ => ours / theirs,
                });
                (Some(middle(theirs)?), ratios.collect())
            }
        };
        let ratio = median(ratios.iter().copied())?;
        let mut sorted = ratios;
        sorted.sort_by(f64::total_cmp);
        let quartiles = [1, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4]);
        Some((middle(ours)?, theirs, ratio, quartiles, shared))
    };
    let all = outcome.contest.verdicts.iter();
    all.filter_map(|verdict| {
        let (ours, theirs, ratio, quartiles, shared) = judge(verdict)?;
        let is_met = match verdict.bound {
            Bound::AtMost(most) | Bound::Below(most) => ratio <= most,
            Bound::AtLeast(least) => ratio >= least,
        };
        Some(Judged {
            verdict,
            ours,
            theirs,
            ratio,
            quartiles,
            is_met,
            shared,
        })
    })
    .collect()
}

fn keep(outcome: &Outcome) -> Value {
    let contest = &outcome.contest;
    let contenders = contest.contenders.iter().enumerate().map(|(at, contender)| {
        let mut samples = outcome.samples[at].clone();
        samples.sort_by(f64::total_cmp);
        let quantile = |share: f64| samples.get(((samples.len() as f64 - 1.0) * share) as usize);
        json!({
            "name": contender.name, "readers": contender.followers, "channels": contender.channels,
            "shared": outcome.shared[at], "turns": outcome.turns[at],
            "p50": quantile(0.5), "p99": quantile(0.99),
        })
    });
    let verdicts = judge(outcome).into_iter().map(|judged| {
        let (kind, bound) = match judged.verdict.bound {
            Bound::AtMost(most) => ("at most", most),
            Bound::AtLeast(least) => ("at least", least),
            Bound::Below(most) => ("below", most),
        };
        json!({
            "ours": judged.verdict.ours, "theirs": judged.verdict.theirs, "ratio": judged.ratio,
            "target": kind, "bound": bound, "met": judged.is_met, "shared": judged.shared,
        })
    });
    let unit = match contest.act {
        Act::Idle => "share of a processor",
        _ => "ns",
    };
    json!({
        "row": contest.row, "language": format!("{:?}", contest.language), "case": contest.case, "unit": unit,
        "contenders": contenders.collect::<Vec<_>>(), "verdicts": verdicts.collect::<Vec<_>>(),
        "left_out": outcome.left_out,
    })
}
