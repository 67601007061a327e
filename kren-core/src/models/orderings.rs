//! Every ordering is needed: each one in turn is weakened, and some model must fail.
//!
//! A model that passes shows something only if it would fail otherwise. The places are found by
//! running the models, so a new ordering is looked at without a word here.

use crate::sync::watched::{self, WEAKENED};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// Places that the models can do without, each by a part of its source line and with the reason why
/// the ordering stays.
const SPARE: &[(&str, &str)] = &[
    (
        "fn available(&self) -> usize { let written",
        "a figure to show",
    ),
    (
        "let read = memory.position(Role::Reader).load(Ordering::Acquire);",
        "the role's lock orders the dead before its heir; so that the ring relies on no word about \
         the kernel",
    ),
    (
        "let stored = memory.position(Role::Writer).load(Ordering::Acquire);",
        "as the line above",
    ),
    (
        "let found = producer.header().load(Ordering::Acquire);",
        "as the line above",
    ),
    (
        "let count = peer.wake.0.load(Ordering::Acquire);",
        "the fence behind it does the same; a load that moves behind a store is beyond loom",
    ),
    (
        "words.ticket.store(ticket, Ordering::Release);",
        "a publisher that finds the ticket without `wanted` came before the barrier, and is seen",
    ),
    (
        "let ticket = peer.sleep.0.ticket.load(Ordering::Acquire);",
        "as the line above, from the publisher's side",
    ),
    (
        ".store(ticket.wrapping_add(1), Ordering::Release);",
        "says that nobody sleeps, which nothing else belongs to",
    ),
    (
        ".store((ticket | 1).wrapping_add(1), Ordering::Release);",
        "as the line above, for a dead sleeper",
    ),
    (
        "reach.limit.store(limit, Ordering::Release);",
        "the even `scan` behind it carries the same; alone it matters after a record that was given up, which no model has",
    ),
    (
        "let limit = reach.limit.load(Ordering::Acquire);",
        "as the line above, from the side that joins",
    ),
    (
        "page.presence.0.stance.store(stance, Ordering::Release);",
        "the fence behind it does the same",
    ),
    (
        "let stance = presence.stance.load(Ordering::Acquire);",
        "a look whose fence came before that of the gate need not see it, and one whose came later sees all of it",
    ),
    (
        "void_of(pages, seat).load(Ordering::Acquire) == session",
        "nothing but the session itself belongs to it",
    ),
    (
        "position: page.progress.0.position.load(Ordering::Acquire),",
        "R8 needs it; no model shows that yet",
    ),
    (
        "let ticket = words.ticket.load(Ordering::Acquire);",
        "a sleeper that is found without `wanted` came before the fence, and is seen",
    ),
    (
        "let frontier = page.reach.0.frontier.load(Ordering::Acquire);",
        "the fence behind the next mark that is looked at does the same",
    ),
    (
        "let word = commit_word(header.load(Ordering::Acquire));",
        "who counts has seen the writer's position, or a mark, behind these records",
    ),
    (
        "if peer.sleep.0.ticket.load(Ordering::Acquire) % 2 == 1",
        "the fence before it brings the bell along; a sleeper whose fence comes later sees the close instead",
    ),
    (
        "session: presence.session.load(Ordering::Acquire),",
        "the epoch brings it; one that is seen early is one whose lane is not there yet",
    ),
];

/// Parts of the places to weaken, if not all of them are to be: `gates.rs,wait/herald.rs`.
const SITES: &str = "KREN_ORDERINGS";
/// Set for the models whose places are asked for.
const ASKED: &str = "KREN_SHOW_ORDERINGS";
/// What such a model prints in front of each.
const MARK: &str = "@ordering ";
/// Preemptions that are enough to meet each failure; the environment may ask for more.
const PREEMPTIONS: &str = "2";

/// In a model that was asked: tells where it has been.
pub(super) fn show() {
    if std::env::var_os(ASKED).is_some() {
        for site in watched::seen() {
            println!("\n{MARK}{site}");
        }
    }
}

/// One model, in a process of its own: a broken one may end in any way, and not at all without its
/// limits.
fn model(name: &str) -> Command {
    let mut model = Command::new(std::env::current_exe().expect("this test"));
    model.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    model.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        model.env("LOOM_MAX_PREEMPTIONS", PREEMPTIONS);
    }
    model
}

fn models() -> Vec<String> {
    let own = module_path!().split_once("::").expect("inside the crate").1;
    let list = Command::new(std::env::current_exe().expect("this test"))
        .arg("--list")
        .output();
    String::from_utf8_lossy(&list.expect("this test runs").stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| name.contains("::loom_") && !name.starts_with(own))
        .map(str::to_owned)
        .collect()
}

/// Each place, with the models that come by it, the quickest first.
fn places() -> BTreeMap<String, Vec<String>> {
    let mut timed = vec![];
    for name in models() {
        let started = Instant::now();
        let run = model(&name)
            .env(ASKED, "1")
            .env("LOOM_MAX_PREEMPTIONS", "1")
            .output();
        let run = run.expect("this test runs");
        assert!(run.status.success(), "{name} fails as it is");
        timed.push((started.elapsed(), name, run.stdout));
    }
    timed.sort();
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (_, name, said) in timed {
        let said = String::from_utf8_lossy(&said);
        let mut sites: Vec<_> = said
            .lines()
            .filter_map(|line| line.strip_prefix(MARK))
            .collect();
        sites.sort_unstable();
        sites.dedup();
        for site in sites {
            // What the models do themselves is not what ships.
            if !site.contains("/models/") && !site.contains("/model/") && !site.contains("tests") {
                places
                    .entry(site.to_owned())
                    .or_default()
                    .push(name.clone());
            }
        }
    }
    places
}

/// The source line of a place, with the one above it.
fn line(site: &str) -> String {
    let mut parts = site.split(':');
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let file = workspace
        .expect("the crate is in a workspace")
        .join(parts.next().expect("a file"));
    let at: usize = parts.next().and_then(|at| at.parse().ok()).expect("a line");
    let text = std::fs::read_to_string(file).expect("the source is there");
    let lines: Vec<_> = text.lines().skip(at - 2).take(2).map(str::trim).collect();
    lines.join(" ")
}

/// G1, G2, G3, G9, R3 to R8, W1 to W5: no ordering of the ring or of the wake protocol can be weakened
/// without a model that fails.
#[test]
#[ignore = "many minutes since broadcasts and bells have models: run it by name, with --ignored"]
fn loom_every_ordering_is_needed() {
    let mut places = places();
    assert!(places.len() > 15, "the models come by nothing: {places:?}");
    for (part, reason) in SPARE {
        let all: Vec<_> = places
            .keys()
            .filter(|site| line(site).contains(part))
            .cloned()
            .collect();
        assert!(!all.is_empty(), "nothing is left of what was spare: {part}");
        println!("spare: {part}\n    {reason}");
    }
    places.retain(|site, _| !SPARE.iter().any(|(part, _)| line(site).contains(part)));
    if let Ok(wanted) = std::env::var(SITES) {
        places.retain(|site, _| wanted.split(',').any(|part| site.contains(part)));
    }
    let left = Mutex::new(places);
    let outcomes = Mutex::new(vec![]);
    let look = || {
        loop {
            let Some((site, models)) = left.lock().unwrap().pop_first() else {
                return;
            };
            let is_failing = |name: &&String| {
                let mut run = model(name);
                run.env(WEAKENED, &site);
                run.stdout(Stdio::null()).stderr(Stdio::null());
                !run.status().expect("this test runs").success()
            };
            let by = models.iter().find(is_failing).cloned();
            outcomes.lock().unwrap().push((site, by));
        }
    };
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..processors).for_each(|_| drop(scope.spawn(look)));
    });

    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort();
    for (site, by) in &outcomes {
        let by = by.as_deref().unwrap_or("NOTHING");
        println!("{site:<44} {}\n    {by}", line(site));
    }
    let unnoticed: Vec<_> = outcomes.iter().filter(|(_, by)| by.is_none()).collect();
    assert!(
        unnoticed.is_empty(),
        "weakened, and no model fails: {unnoticed:#?}"
    );
}
