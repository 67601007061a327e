//! What the endpoints of inboxes, work queues and services are opened with.

/// The options that all of them have, from the arguments from `$at` on: mode, any owner, strategy.
macro_rules! with_common {
    ($options:expr, $call:expr, $at:expr) => {{
        let mut options = $options;
        if let Some(mode) = $call.optional($at, $crate::call::Call::u32)? {
            options = options.mode(mode);
        }
        if let Some(any) = $call.optional($at + 1, $crate::call::Call::bool)? {
            options = options.any_owner(any);
        }
        if let Some(name) = $call.optional($at + 2, $crate::call::Call::string)? {
            options = options.strategy($crate::value::strategy(&name)?);
        }
        options
    }};
}
pub(crate) use with_common;
