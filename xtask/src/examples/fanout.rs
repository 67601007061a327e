//! The broadcast example: a publisher of each language, with viewers of all languages at once.

use super::cast::{Cast, LANGUAGES, Language, Launch, agree, digest, play};
use crate::count::Count;
use crate::term::Result;

const FRAMES: &str = "200";

/// Runs it with a publisher of each language. Its viewers: one of each language, and one more that is lossy.
pub(super) fn all(prefix: &str, launch: Launch<'_>) -> Count {
    println!(
        "  fanout: {FRAMES} frames of 1 MiB to a viewer in each language, and to one that may miss some"
    );
    let mut count = Count::default();
    for &publisher in LANGUAGES {
        let channel = format!("{prefix}-fanout-{}", publisher.in_names());
        count += play(&format!("{publisher:<6} -> all"), launch, |cast| {
            broadcast(cast, publisher, &channel)
        });
    }
    count
}

fn broadcast(cast: &mut Cast<'_>, publisher: Language, channel: &str) -> Result<String> {
    let viewers = (LANGUAGES.len() + 1).to_string();
    let arguments = [channel, FRAMES, &viewers];
    let publishes = cast.start(publisher, "fanout_publisher", &arguments)?;
    let mut views = Vec::new();
    for &viewer in LANGUAGES {
        views.push(cast.start(viewer, "fanout_viewer", &[channel, FRAMES])?);
    }
    let lossy = cast.start(publisher, "fanout_viewer", &[channel, FRAMES, "--lossy"])?;
    let sent = cast.finish(publishes)?;
    for view in views {
        agree(&sent, &cast.finish(view)?)?;
    }
    let caught = cast.finish(lossy)?;
    // What it gives when it has missed nothing.
    if digest(&caught).is_some() {
        agree(&sent, &caught)?;
    }
    let shown = caught.lines().next().unwrap_or_default();
    Ok(format!("the lossy one {shown}"))
}
