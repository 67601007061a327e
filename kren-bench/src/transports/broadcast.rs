//! KREN's broadcast: a publisher in the leading process, a subscriber in each other one.

use std::time::Duration;

use kren_core::{KrenPublisher, KrenSubscriber, Strategy};

use super::Entry;
use super::kren::{Copied, In, InPlace, Out, Style};
use super::ways::one_way;
use crate::Result;
use crate::link::{Link, Setup};

pub(super) fn entries() -> [Entry; 2] {
    [
        Entry::unlisted(
            "kren-broadcast",
            "KrenPublisher, KrenSubscriber: write and read; spinning, or waiting as by default where processors are shared",
            open::<Copied>,
        ),
        Entry::unlisted(
            "kren-broadcast-inplace",
            "the same: reserve, fill and commit; read",
            open::<InPlace>,
        ),
    ]
}

fn open<S: Style + 'static>(setup: &Setup) -> Result<Box<dyn Link>> {
    let strategy = match setup.crowded {
        true => Strategy::Adaptive,
        false => Strategy::Spin,
    };
    let publisher = || {
        let options = KrenPublisher::options().strategy(strategy).prefault(true);
        let mut publisher = options
            .subscribers(setup.followers.max(16))
            .create(&setup.session, setup.capacity)?;
        publisher.wait_for_subscribers(setup.followers, Some(Duration::from_secs(10)))?;
        Ok(Out::<S>::new(publisher.into_writer(), setup.size))
    };
    let subscriber = || {
        let options = KrenSubscriber::options().strategy(strategy).prefault(true);
        let subscriber = options
            .timeout(Duration::from_secs(10))
            .connect(&setup.session)?;
        Ok(In::<S>::new(subscriber.into_reader()))
    };
    one_way(setup, publisher, subscriber)
}
