//! The server and the clients of a soak, in Rust.

use super::books::{Ledgers, Outcome, items, may_retry};
use super::journal::{Ledger, Maker};
use super::lane::WEDGED;
use super::worker::{BREATHER, LAST, LOOK, Task, shown};
use kren_core::{Call, CallOptions, Error, KrenClient, KrenServer};

/// Calls under way at most.
const WINDOW: usize = 4;

/// Notes each request before it answers it with its own bytes: as one reply, or as so many items.
pub(super) fn serve(task: &Task<'_>) -> Result<(), String> {
    let control = task.control()?;
    let mut ledgers = Ledgers::new(task.folder);
    let options = KrenServer::options()
        .strategy(task.strategy)
        .capacity(task.capacity)
        .standby(Some(LOOK));
    let mut server = loop {
        match options.create(task.channel) {
            Err(Error::TimedOut { .. }) if control.get() == 0 => {}
            Err(Error::TimedOut { .. }) => return Ok(()),
            server => break server.map_err(shown)?,
        }
    };
    while control.get() == 0 || control.get() == LAST && !server.clients().is_empty() {
        let mut request = match server.next_timeout(LOOK) {
            Ok(request) => request,
            Err(Error::TimedOut { .. }) => continue,
            Err(error) => return Err(error.to_string()),
        };
        let (session, number) = task.told(&request)?;
        ledgers.note(session, number)?;
        let body = request.to_vec();
        match items(number) {
            None => request.reply_tagged(number, &body).map_err(shown)?,
            Some(count) => {
                for _ in 0..count {
                    request.item_tagged(number, &body).map_err(shown)?;
                }
                request.end().map_err(shown)?;
            }
        }
    }
    Ok(())
}

/// Calls, some at a time, and notes how each ended.
pub(super) fn call(task: &Task<'_>) -> Result<(), String> {
    let control = task.control()?;
    let journal = Maker::open(task.folder, task.session)?;
    let outcomes = task.folder.join(format!("outcome-{}", task.session));
    let outcomes = Ledger::open(&outcomes).map_err(shown)?;
    let options = KrenClient::options().strategy(task.strategy);
    let options = options.capacity(task.capacity);
    let mut client = options.connect(task.channel).map_err(shown)?;
    let mut rng = fastrand::Rng::new();
    let mut next = 0;
    while control.get() == 0 {
        let count = 1 + rng.usize(..WINDOW) as u32;
        journal.set_intent(u64::from(next + count));
        let mut calls = vec![];
        for number in next..next + count {
            let mut request = vec![0; task.plan.len(number)];
            task.plan.fill(task.session, number, &mut request);
            let options = CallOptions::default()
                .timeout(WEDGED)
                .retry(may_retry(number));
            match client.start(&request, options) {
                Ok(call) => calls.push((number, call, request)),
                Err(Error::NoServer { .. }) => {
                    outcomes.set(number, Outcome::NOBODY).map_err(shown)?;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let nobody = calls.is_empty();
        // In another order than they were sent, now and then.
        let turned = rng.usize(..calls.len().max(1));
        calls.rotate_left(turned);
        for (number, call, request) in calls {
            let outcome = answer(&mut client, call, number, &request)?;
            outcomes.set(number, outcome).map_err(shown)?;
        }
        next += count;
        journal.set_done(next.into());
        if nobody {
            std::thread::sleep(BREATHER);
        }
    }
    Ok(())
}

/// How a call ends; all that comes must be what the server was sent.
fn answer(client: &mut KrenClient, call: Call, number: u32, sent: &[u8]) -> Result<u8, String> {
    let mut came = 0;
    loop {
        match client.next(call) {
            Ok(Some(reply)) if reply[..] != *sent || reply.tag() != number => {
                return Err(format!("call {number} was answered with {reply:?}"));
            }
            Ok(Some(_)) if items(number).is_none() => {
                return Ok(match may_retry(number) {
                    true => Outcome::AGAIN,
                    false => Outcome::ONCE,
                });
            }
            Ok(Some(_)) => came += 1,
            Ok(None) if items(number) == Some(came) => return Ok(Outcome::ONCE),
            Ok(None) => return Err(format!("call {number} had {came} answers")),
            Err(Error::ServerDied { .. }) if !may_retry(number) => return Ok(Outcome::DIED),
            Err(error) => return Err(format!("call {number}: {error}")),
        }
    }
}
