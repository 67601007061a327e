//! One of the reading sides of a work queue, as `ts/worker.ts` calls it.

use std::rc::Rc;
use std::time::Duration;

use kren_core::{Error, Interest, KrenWorker, Lease, Result, Work};

use crate::call::Call;
use crate::context::Context;
use crate::intake::{Intake, Notes, Piece, Source, wrap};
use crate::registry::with_common;
use crate::value::{Outcome, peer_state};

impl Piece for Work<'_> {
    fn notes(&self) -> Notes {
        [self.tag(), 0, 0, 0, self.redelivered().into()]
    }

    fn into_lease(self) -> Lease {
        Work::into_lease(self)
    }
}

impl Source for KrenWorker {
    type Piece<'a> = Work<'a>;
    const ROLE: &'static str = "worker";

    fn name(&self) -> &str {
        KrenWorker::name(self)
    }

    fn take(&mut self) -> Result<Option<Work<'_>>> {
        self.try_read()
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.wait_readable(timeout, check)
    }

    fn interest(&mut self) -> Result<Interest> {
        match self.wait_readable(Some(Duration::ZERO), &mut || Ok(())) {
            Ok(()) | Err(Error::TimedOut { .. }) => {}
            // The dealer is gone, and nothing is left.
            Err(error) => return Err(error),
        }
        self.readable()
    }

    fn is_removed(&self) -> bool {
        KrenWorker::is_removed(self)
    }

    fn close(self) -> Result<()> {
        KrenWorker::close(self)
    }
}

/// `openWorker(name, mode, anyOwner, strategy, workers, ahead)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 6>) -> Outcome {
    let mut options = with_common!(KrenWorker::options(), call, 1);
    if let Some(workers) = call.optional(4, Call::size)? {
        options = options.workers(workers);
    }
    if let Some(ahead) = call.optional(5, Call::u32)? {
        options = options.ahead(ahead);
    }
    let (object, worker) = wrap(call, options.connect(&call.string(0)?)?)?;
    object.method::<_, 0>(c"dealerState", &worker, dealer_state)?;
    Ok(object.value)
}

/// `dealerState()`: how the other side stands.
fn dealer_state(worker: &Rc<Intake<KrenWorker>>, call: &Call<'_, 0>) -> Outcome {
    call.js_str(peer_state(worker.core()?.dealer_state()))
}
