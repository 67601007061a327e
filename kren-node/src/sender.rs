//! One of the writing sides of an inbox: a writer, and what it is beside that. `ts/sender.ts` calls it.

use std::rc::Rc;

use kren_core::KrenSender;

use crate::call::Call;
use crate::context::Context;
use crate::registry::with_common;
use crate::value::{Outcome, peer_state};
use crate::writer::{Writer, wrap};

/// `openSender(name, mode, anyOwner, strategy, senders, capacity, alignment)`
pub(crate) fn open(_: &Rc<Context>, call: &Call<'_, 7>) -> Outcome {
    let name = call.string(0)?;
    let mut options = with_common!(KrenSender::options(), call, 1);
    if let Some(senders) = call.optional(4, Call::size)? {
        options = options.senders(senders);
    }
    if let Some(capacity) = call.optional(5, Call::size)? {
        options = options.capacity(capacity);
    }
    if let Some(alignment) = call.optional(6, Call::size)? {
        options = options.alignment(alignment);
    }
    let sender = options.connect(&name)?;
    let number = usize::try_from(sender.number()).unwrap_or(usize::MAX);
    let (object, writer) = wrap(call, &name, sender.into_writer())?;
    object.set(c"number", call.js_size(number)?)?;
    object.method::<_, 0>(c"inboxState", &writer, inbox_state)?;
    Ok(object.value)
}

/// `inboxState()`: how the other side stands.
fn inbox_state(writer: &Rc<Writer>, call: &Call<'_, 0>) -> Outcome {
    let core = writer.core()?;
    core.check_usable()?;
    call.js_str(peer_state(core.inbox_state()))
}
