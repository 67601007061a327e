//! Does the tasks that `tasks_dealer` gives it, and sends each result to `tasks_collector`.
//!
//! It ends when the dealer closes. As many workers as you like. A task is done, for the dealer, when its `Work` is
//! dropped: kill a worker, and another one does what it had begun.
//!
//! Usage: `tasks_worker [CHANNEL] [MILLISECONDS]`; the second is how long each task takes.

use std::thread;
use std::time::Duration;

use kren_core::{Error, KrenSender, KrenWorker};
use kren_examples::{channel, number};
use sha2::{Digest as _, Sha256};

fn main() -> kren_examples::Outcome {
    let (name, takes) = (channel("tasks"), number(2, 0)? as u64);
    let mut done = 0_u64;

    let mut worker = KrenWorker::options().ahead(4).connect(&name)?;
    let mut results = KrenSender::connect(&format!("{name}-results"))?;
    println!("ready");
    loop {
        let task = match worker.read() {
            Ok(task) => task,
            Err(Error::Closed { .. }) => break,
            Err(error) => return Err(error.into()),
        };
        thread::sleep(Duration::from_millis(takes));
        results.write_tagged(task.tag(), &Sha256::digest(&*task))?;
        done += 1;
    }
    results.close()?;
    worker.close()?;

    println!("did {done} tasks");
    Ok(())
}
