//! A lane of an inbox here that mirrors one of a sender on another machine.

use crate::mirror::{Mirror, OnGap, Opened, origin_name};
use crate::wire::Offer;
use kren_core::bridge::{Left, remove_lane};
use kren_core::inspect::{self, Segment};
use kren_core::{Error, KrenSender, Result};

/// Which lane, of which inbox.
#[derive(Debug, Clone)]
pub struct Lane {
    /// The inbox.
    pub inbox: String,
    /// The instance of its registry.
    pub registry: u64,
    /// The hash of the machine that its sender is on.
    pub machine: u64,
    /// The instance of the lane there.
    pub instance: u64,
}

/// What is to become of a lane that is offered.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It goes on at this message; what was lost before it, if anything was.
    Go(u64, Option<String>),
    Wait(String),
    Stop(String),
}

/// What frames of a lane are sent under: between the machines of these hashes, of this instance.
#[must_use]
pub fn key(inbox: &str, to: u64, from: u64, instance: u64) -> String {
    format!("{inbox}@{to:016x}.{from:016x}.{instance:016x}")
}

/// The keys of all lanes to a machine, and from one, if that is given: a pattern of zenoh's.
#[must_use]
pub fn keys(inbox: &str, to: &str, from: Option<u64>) -> String {
    match from {
        Some(from) => format!("{inbox}@{to}.{from:016x}.$*"),
        None => format!("{inbox}@{to}.$*"),
    }
}

/// Of which machine and which instance a key is, if it is that of a lane of `inbox`.
#[must_use]
pub fn of_key(inbox: &str, key: &str) -> Option<(u64, u64)> {
    let (_, rest) = key
        .strip_prefix(inbox)?
        .strip_prefix('@')?
        .split_once('.')?;
    let (from, instance) = rest.split_once('.')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(from)?, number(instance)?))
}

/// What is seen of each lane of `inbox` that stands: its name, and what it is.
#[must_use]
pub fn standing(inbox: &str) -> Vec<(String, Segment)> {
    let prefix = format!("{inbox}@");
    let seen = |name: String| {
        let segment = inspect::channel(&name).ok()?.segment()?.clone();
        Some((name, segment))
    };
    inspect::names()
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with(&prefix))
        .filter_map(seen)
        .collect()
}

impl Lane {
    /// As people see it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{:08x}", self.inbox, self.instance as u32)
    }

    /// Takes what is offered, if it can be.
    ///
    /// # Errors
    ///
    /// As [`KrenSender::connect`].
    pub fn open(&self, realm: &str, offer: &Offer, on_gap: OnGap) -> Result<Opened> {
        if offer.instance != self.instance {
            return Ok(Opened::Wait("another lane is offered".into()));
        }
        let Ok(capacity) = usize::try_from(offer.capacity) else {
            return Ok(Opened::Stop(
                "its lane is larger than this machine can map".into(),
            ));
        };
        let mut verdict = None;
        let name = origin_name(realm, &offer.machine.name);
        let joined = KrenSender::options()
            .alignment(offer.alignment as usize)
            .capacity(capacity)
            .connect_mirror(
                &self.inbox,
                (&name, self.machine, self.instance),
                &mut |left| {
                    let said = verdict.insert(judge(&self.inbox, left, offer, on_gap));
                    match said {
                        Verdict::Go(first, _) => Ok(*first),
                        _ => Err(Error::Interrupted {
                            channel: self.inbox.as_str().into(),
                        }),
                    }
                },
            );
        match verdict {
            Some(Verdict::Wait(why)) => Ok(Opened::Wait(why)),
            Some(Verdict::Stop(why)) => Ok(Opened::Stop(why)),
            Some(Verdict::Go(first, lost)) => {
                let mirror = Mirror::new(joined?.into_writer(), self.instance);
                Ok(Opened::Mirror(Box::new(mirror), first, lost))
            }
            None => Err(joined
                .err()
                .unwrap_or_else(|| unreachable!("who joins has decided"))),
        }
    }

    /// Removes what stands of it, once that is read and nobody is on it. Tells whether nothing is left.
    #[must_use]
    pub fn clear_away(&self) -> bool {
        standing(&self.inbox)
            .into_iter()
            .filter(|(_, lane)| {
                lane.origin.as_ref().is_some_and(|origin| {
                    (origin.hash, origin.instance) == (self.machine, self.instance)
                })
            })
            .fold(true, |all, (name, _)| all & remove_lane(&self.inbox, &name))
    }

    /// Whether its inbox is gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let seen = inspect::channel(&self.inbox);
        !seen.is_ok_and(|seen| {
            seen.segment()
                .is_some_and(|segment| segment.instance == self.registry)
        })
    }
}

fn judge(inbox: &str, left: Option<Left>, offer: &Offer, on_gap: OnGap) -> Verdict {
    let machine = &offer.machine.name;
    let lost = match left {
        Some(left) if left.undelivered > 0 => {
            return Verdict::Wait(format!(
                "'{inbox}' has {} messages yet to read that the bridge before this one has brought from a sender on {machine}: what                  follows them waits until then",
                left.undelivered
            ));
        }
        Some(left) if left.next >= offer.oldest => return Verdict::Go(left.next, None),
        Some(left) => format!(
            "messages {} to {} of a sender of '{inbox}' on {machine} are gone: they were released there, and never came here",
            left.next,
            offer.oldest - 1,
        ),
        None if offer.oldest == 0 => return Verdict::Go(0, None),
        None => format!(
            "what had come from a sender of '{inbox}' on {machine} is gone from this machine, and what was not read of it; {machine} can send              from message {} on",
            offer.oldest
        ),
    };
    match on_gap {
        OnGap::Continue => Verdict::Go(offer.oldest, Some(lost)),
        OnGap::Stop => Verdict::Stop(format!(
            "{lost}. Start this side with --on-gap continue to go on without them"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Machine;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = key("jobs.new", 1, 0xfeed, u64::MAX);
        assert_eq!(of_key("jobs.new", &key), Some((0xfeed, u64::MAX)));
        for other in ["jobs", "jobs.new@", "jobs.newer@1.2.3", "jobs.new@1.2", ""] {
            assert_eq!(of_key("jobs.new", other), None, "{other}");
        }
        assert_eq!(of_key("jobs", &key), None);
    }

    /// D2 of a lane: what is wanted is what has come, and nothing is passed over in silence.
    #[test]
    fn where_a_lane_goes_on() {
        let offer = |oldest| Offer {
            kind: 0,
            was_carried: true,
            alignment: 8,
            capacity: 4096,
            seats: 1,
            instance: 1,
            oldest,
            machine: Machine {
                name: "there".into(),
                hash: 2,
            },
            schema: None,
        };
        let left = |next, undelivered| Some(Left { next, undelivered });
        let judge = |left, oldest, on_gap| super::judge("jobs", left, &offer(oldest), on_gap);
        let (stop, go_on) = (OnGap::Stop, OnGap::Continue);
        assert_eq!(judge(None, 0, stop), Verdict::Go(0, None));
        assert_eq!(judge(left(7, 0), 7, stop), Verdict::Go(7, None));
        assert_eq!(judge(left(7, 0), 3, stop), Verdict::Go(7, None));
        assert!(matches!(judge(left(7, 1), 3, go_on), Verdict::Wait(_)));
        for (left, oldest) in [(None, 4), (left(3, 0), 4)] {
            assert!(matches!(judge(left, oldest, stop), Verdict::Stop(_)));
            assert!(matches!(
                judge(left, oldest, go_on),
                Verdict::Go(4, Some(_))
            ));
        }
    }
}
