//! The model checker over all that has orderings: the ring, sleeping and waking, and both together.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p kren-core --lib --release loom
//! ```
//!
//! At most two or three preemptions are tried in each run of a model; `LOOM_MAX_PREEMPTIONS=4` tries
//! more, and takes some ten times longer for each. `cargo xtask proof models` does it in a build
//! folder of its own.

mod broadcast;
mod channel;
mod heirs;
mod orderings;
pub(crate) mod region;
mod registry;

use crate::wait::model::barrier::{self, Offer};

/// Preemptions that are tried unless the environment says otherwise.
const PREEMPTIONS: usize = 3;
/// The same for models that have many times as many steps.
const PREEMPTIONS_OF_LONG: usize = 2;

/// Runs `f` under every schedule with a few preemptions.
pub(crate) fn model(f: impl Fn() + Send + Sync + 'static) {
    bounded(PREEMPTIONS, f);
}

/// As [`model`], with fewer preemptions.
pub(crate) fn long_model(f: impl Fn() + Send + Sync + 'static) {
    bounded(PREEMPTIONS_OF_LONG, f);
}

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(f);
    orderings::show();
}

/// The same with publishers that fence, and with those that leave it to a process barrier.
pub(crate) fn model_of_each_barrier(f: impl Fn() + Send + Sync + Clone + 'static) {
    each_barrier(PREEMPTIONS, f);
}

/// One publisher, which fences, and several sleepers. What barriers do instead, they do for each sleeper by itself.
pub(crate) fn model_of_a_crowd(f: impl Fn() + Send + Sync + 'static) {
    long_model(f);
}

/// As [`model_of_each_barrier`], with fewer preemptions.
pub(crate) fn long_model_of_each_barrier(f: impl Fn() + Send + Sync + Clone + 'static) {
    each_barrier(PREEMPTIONS_OF_LONG, f);
}

fn each_barrier(preemptions: usize, f: impl Fn() + Send + Sync + Clone + 'static) {
    for offer in [Offer::None, Offer::Kept, Offer::Refused] {
        barrier::offer(offer);
        bounded(preemptions, f.clone());
    }
    barrier::offer(Offer::None);
}
