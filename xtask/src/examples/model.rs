//! The service: a server of each language, asked by clients of all languages at once.

use super::cast::{Cast, LANGUAGES, Language, Launch, play};
use crate::count::Count;
use crate::term::{Failure, Result};

const CALLS: &str = "200";

/// Runs it with a server of each language.
pub(super) fn all(prefix: &str, launch: Launch<'_>) -> Count {
    println!("  model: {CALLS} calls by a client in each language, and an answer in parts");
    let mut count = Count::default();
    for &server in LANGUAGES {
        let channel = format!("{prefix}-model-{}", server.in_names());
        count += play(&format!("all    -> {server}"), launch, |cast| {
            service(cast, server, &channel)
        });
    }
    count
}

fn service(cast: &mut Cast<'_>, server: Language, channel: &str) -> Result<String> {
    let serves = cast.start(server, "model_server", &[channel])?;
    cast.hear(serves, "serving")?;
    let mut clients = Vec::new();
    for &client in LANGUAGES {
        clients.push(cast.start(client, "model_client", &[channel, CALLS])?);
    }
    let expected = [&format!("scored {CALLS}"), "ONE WORD AT A TIME"];
    for client in clients {
        let output = cast.finish(client)?;
        // The clients have compared each score with what it should be.
        if !output.lines().eq(expected) {
            return Err(Failure::new(format!("a client did not say {expected:?}")));
        }
    }
    cast.stop(serves)?;
    Ok(String::new())
}
