//! What every endpoint is here: the core's, until it is closed, and the wait for it.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use kren_core::Error;

use crate::call::Call;
use crate::value::{Outcome, Stop, Value};
use crate::watch::Watch;

pub(crate) struct End<T> {
    pub(crate) name: String,
    /// What it is called in errors.
    role: &'static str,
    core: RefCell<Option<T>>,
    pub(crate) watch: Watch,
}

impl<T> End<T> {
    pub(crate) fn new(role: &'static str, name: &str, core: T) -> Self {
        Self {
            name: name.to_owned(),
            role,
            core: RefCell::new(Some(core)),
            watch: Watch::new(),
        }
    }

    pub(crate) fn core(&self) -> Result<RefMut<'_, T>, Stop> {
        // Taken only by a debugger that evaluates something in the middle of a blocking call.
        let core = self.core.try_borrow_mut();
        let core = core.map_err(|_| Error::Busy {
            channel: self.name.as_str().into(),
        })?;
        RefMut::filter_map(core, Option::as_mut).map_err(|_| Stop::EndpointClosed {
            role: self.role,
            channel: self.name.clone(),
        })
    }

    /// Ends the wait for it, and gives what is to be closed; `None` if that has been done.
    pub(crate) fn leave(&self) -> Option<T> {
        self.watch.stop();
        self.core.try_borrow_mut().ok()?.take()
    }
}

/// `setRef(on)`: whether a wait keeps the process alive.
pub(crate) fn set_ref<E: AsRef<Watch> + 'static>(end: &Rc<E>, call: &Call<'_, 1>) -> Outcome {
    let watch: &Watch = (**end).as_ref();
    watch.set_ref(call.context, call.bool(0)?);
    Ok(Value::UNDEFINED)
}

impl<T> AsRef<Watch> for End<T> {
    fn as_ref(&self) -> &Watch {
        &self.watch
    }
}
