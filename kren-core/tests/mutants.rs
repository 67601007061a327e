//! Proof that the proofs can fail: each guarantee is broken on purpose, and a test must notice.
//!
//! A mutant is one small change of the source, made in a copy: an ordering weakened, a check left
//! out, two stores in the wrong order. The tests it names must then fail, and they are the ones
//! that pass on the unchanged copy. Takes some minutes, so it runs by command only:
//!
//! ```text
//! cargo xtask proof mutants
//! cargo xtask proof mutants terminator fence
//! ```
//!
//! The orderings that the code states are weakened one by one in every run of the model checker, by
//! `src/models/orderings.rs`; here they are among much else.
//!
//! A change of the source that a mutant no longer finds its place in is a failure too, in every run of the tests.
#![cfg(all(target_os = "linux", not(loom)))]

mod mutants {
    pub(crate) mod catalogue;
    pub(crate) mod registry;
    pub(crate) mod several;
    pub(crate) mod workshop;
}

use mutants::catalogue::{MUTANTS, Mutant, Suite};
use mutants::workshop::{Outcome, Workshop, mutated};
use mutants::{registry, several};
use std::collections::BTreeMap;

fn all() -> impl Iterator<Item = &'static Mutant> {
    MUTANTS
        .iter()
        .chain(several::MUTANTS)
        .chain(registry::MUTANTS)
}

/// Cheap enough for every run: no mutant is forgotten when the source changes.
#[test]
fn every_mutant_finds_its_place() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lost: Vec<_> = all()
        .filter_map(|mutant| {
            let text = std::fs::read_to_string(source.join(mutant.file)).expect("a source file");
            let broken = mutated(&text, mutant).err()?;
            Some(format!("{}: {broken}", mutant.name))
        })
        .collect();
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
#[ignore = "builds the crate more than a hundred times: minutes"]
fn every_mutant_is_caught() {
    let wanted = std::env::var("KREN_MUTANTS").unwrap_or_default();
    let mutants: Vec<_> = all()
        .filter(|mutant| wanted.split(',').any(|part| mutant.name.contains(part)))
        .collect();
    assert!(
        !mutants.is_empty(),
        "no mutant is called anything like {wanted:?}"
    );
    let workshop = Workshop::new();

    let mut suites: BTreeMap<Suite, Vec<&str>> = BTreeMap::new();
    for mutant in &mutants {
        suites
            .entry(mutant.suite)
            .or_default()
            .push(mutant.caught_by);
    }
    for (suite, tests) in suites {
        let outcome = workshop.run(suite, &tests);
        assert!(
            matches!(outcome, Outcome::Passed),
            "{suite:?} {tests:?}, unchanged: {outcome:?}"
        );
    }

    let mut escaped = vec![];
    for mutant in mutants {
        let outcome = workshop.run_mutated(mutant);
        println!("{:<10} {:<34} {outcome:?}", mutant.guards, mutant.name);
        if !matches!(outcome, Outcome::Failed | Outcome::Hung) {
            escaped.push((mutant.name, outcome));
        }
    }
    assert!(escaped.is_empty(), "not caught: {escaped:#?}");
}
