//! A server with two methods: `score` gives one answer, `complete` one word after the other.
//!
//! Serves until it is stopped.
//!
//! Usage: `model_server [CHANNEL]`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kren_core::{Error, KrenServer, Request, Result};
use kren_examples::channel;
use signal_hook::consts::{SIGINT, SIGTERM};

/// What the other languages answer by themselves where there is no such method.
const NO_METHOD: u32 = 4_294_967_294;

fn main() -> kren_examples::Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let name = channel("model");
    let mut check = || match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted {
            channel: name.as_str().into(),
        }),
        false => Ok(()),
    };

    let mut server = KrenServer::create(&name)?;
    println!("serving");
    loop {
        let request = match check().and_then(|()| server.next_checking(None, &mut check)) {
            Ok(request) => request,
            Err(Error::Interrupted { .. }) => break,
            Err(error) => return Err(error.into()),
        };
        // A client that has given up, or reads nothing, concerns nobody else.
        if let Err(error) = answer(request) {
            eprintln!("{error}");
        }
    }
    server.close()?;
    Ok(())
}

fn answer(mut request: Request) -> Result<()> {
    match request.method().into_owned().as_str() {
        "score" => {
            let sum: u64 = request.iter().map(|byte| u64::from(*byte)).sum();
            request.reply(sum.to_string().as_bytes())
        }
        "complete" => {
            let words = request.to_ascii_uppercase();
            for word in words.split(|byte| *byte == b' ') {
                request.item(word)?;
            }
            request.end()
        }
        method => request.fail(NO_METHOD, &format!("there is no method '{method}'")),
    }
}
