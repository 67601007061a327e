//! The reading side of an inbox, as `ts/inbox.ts` calls it.

use std::ffi::CString;
use std::rc::Rc;
use std::time::Duration;

use kren_core::{InboxOptions, Interest, KrenInbox, Lease, Letter, Result, SenderId};

use crate::call::{Call, Object};
use crate::context::Context;
use crate::intake::{Intake, Notes, Piece, Source, halves, wrap};
use crate::registry::with_common;
use crate::value::{Outcome, Stop};

impl Piece for Letter<'_> {
    fn notes(&self) -> Notes {
        let SenderId { number, pid, .. } = self.sender();
        let (low, high) = halves(number);
        [self.tag(), low, high, pid, 0]
    }

    fn into_lease(self) -> Lease {
        Letter::into_lease(self)
    }
}

impl Source for KrenInbox {
    type Piece<'a> = Letter<'a>;
    const ROLE: &'static str = "inbox";

    fn name(&self) -> &str {
        KrenInbox::name(self)
    }

    fn take(&mut self) -> Result<Option<Letter<'_>>> {
        self.try_read()
    }

    fn wait(
        &mut self,
        timeout: Option<Duration>,
        check: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        self.read_checking(timeout, check).map(Letter::keep)
    }

    fn interest(&mut self) -> Result<Interest> {
        self.readable()
    }

    fn is_removed(&self) -> bool {
        KrenInbox::is_removed(self)
    }

    fn close(self) -> Result<()> {
        KrenInbox::close(self)
    }
}

/// `openInbox(name, capacity, mode, anyOwner, strategy, senders)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 6>) -> Outcome {
    let mut options: InboxOptions = with_common!(KrenInbox::options(), call, 2);
    if let Some(senders) = call.optional(5, Call::size)? {
        options = options.senders(senders);
    }
    let core = options.create(&call.string(0)?, call.size(1)?)?;
    let (object, inbox) = wrap(call, core)?;
    object.method::<_, 0>(c"departures", &inbox, departures)?;
    object.method::<_, 0>(c"senders", &inbox, senders)?;
    object.method::<_, 0>(c"available", &inbox, available)?;
    Ok(object.value)
}

/// `departures()`: who has gone since the last call, by their order.
fn departures(inbox: &Rc<Intake<KrenInbox>>, call: &Call<'_, 0>) -> Outcome {
    let gone = inbox.core()?.departures();
    list(call, gone.len(), |at| {
        let object = describe(call, gone[at].sender)?;
        object.set(c"died", call.js_bool(gone[at].died)?)?;
        Ok(object)
    })
}

/// `senders()`: who is there.
fn senders(inbox: &Rc<Intake<KrenInbox>>, call: &Call<'_, 0>) -> Outcome {
    let there = inbox.core()?.senders();
    list(call, there.len(), |at| describe(call, there[at]))
}

fn available(inbox: &Rc<Intake<KrenInbox>>, call: &Call<'_, 0>) -> Outcome {
    call.js_size(inbox.core()?.available())
}

/// What `get` gives for each number, under that number.
pub(crate) fn list<'a, const N: usize>(
    call: &'a Call<'_, N>,
    len: usize,
    get: impl Fn(usize) -> std::result::Result<Object<'a>, Stop>,
) -> Outcome {
    let list = call.object()?;
    for place in 0..len {
        let name = CString::new(place.to_string()).unwrap_or_default();
        list.set(&name, get(place)?.value)?;
    }
    Ok(list.value)
}

/// Who somebody is.
pub(crate) fn describe<'a, const N: usize>(
    call: &'a Call<'_, N>,
    who: SenderId,
) -> std::result::Result<Object<'a>, Stop> {
    let number = usize::try_from(who.number).unwrap_or(usize::MAX);
    let object = call.object()?;
    object.set(c"number", call.js_size(number)?)?;
    object.set(c"pid", call.js_u32(who.pid)?)?;
    Ok(object)
}
