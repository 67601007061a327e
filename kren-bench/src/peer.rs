//! The measuring process: it does what it is told on its standard input, a line of JSON for each order and
//! one for each answer. The peers in Python and Node understand the same orders.
//!
//! | order | answer |
//! |---|---|
//! | `{"do":"list","all"}` | `{"entries":[{"name","how","tests","smallest","largest"}]}` |
//! | `{"do":"open","name","as","side","session","size","capacity","channels","followers","at","crowded","numbered"}` | `{}` |
//! | `{"do":"run","as","test","count"}` | `{"ns","cpu_ns"}` and what else the test gives |
//! | `{"do":"spread","as","count","begin"}` | `{"end"}`, and of who sends `{"start"}` |
//! | `{"do":"alone","what","session","size","capacity","count"}` | `{"times":[...]}` |
//! | `{"do":"close","as"}` | `{}` |
//!
//! In Python there are `gather` (all others send `count` messages each to the leading side) and `deal` (each of `count`
//! messages to one of the others), which are ordered and answered as `spread` is. `begin` and `end` are times of the clock
//! that all processes share. The same transport may be open several times, *as* different names.
//! What fails is answered with `{"error":"..."}`. The end of the input ends the process.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};

use serde_json::{Value, json};

use crate::link::{Link, Setup, Side, Test};
use crate::transports::{self, Entry};
use crate::{Result, alone};

/// What is open, by the name it was opened as.
type Open = HashMap<String, Opened>;

struct Opened {
    side: Side,
    numbered: bool,
    link: Box<dyn Link>,
}

/// Serves until the input ends.
pub(crate) fn serve() -> Result<()> {
    let entries = transports::all();
    let mut open = Open::new();
    for line in std::io::stdin().lock().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        let answer = obey(&entries, &mut open, &order)
            .unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn obey(entries: &[Entry], open: &mut Open, order: &Value) -> Result<Value> {
    let name = || text(order, "name");
    match text(order, "do")? {
        "list" => Ok(
            json!({ "entries": entries.iter().filter(|entry| entry.listed || order["all"] == true).map(describe).collect::<Vec<_>>() }),
        ),
        "open" => {
            let entry = entries.iter().find(|entry| Some(entry.name) == name().ok());
            let entry = entry.ok_or_else(|| format!("this build has no transport {:?}", name()))?;
            let side = match text(order, "side")? {
                "lead" => Side::Lead,
                _ => Side::Follow,
            };
            let setup = Setup {
                side,
                session: text(order, "session")?.to_owned(),
                size: number(order, "size")? as usize,
                capacity: number(order, "capacity")? as usize,
                channels: number(order, "channels")? as usize,
                followers: number(order, "followers")? as usize,
                crowded: order["crowded"] == true,
            };
            let opened = Opened {
                side,
                numbered: order["numbered"] == true,
                link: (entry.open)(&setup)?,
            };
            open.insert(text(order, "as")?.to_owned(), opened);
            Ok(json!({}))
        }
        "run" => {
            let opened = open.get_mut(text(order, "as")?).ok_or("not open")?;
            let test = Test::named(text(order, "test")?).ok_or("no such test")?;
            let count = number(order, "count")?;
            opened.link.run(opened.side, test, count, opened.numbered)
        }
        "spread" => {
            let opened = open.get_mut(text(order, "as")?).ok_or("not open")?;
            let (count, begin) = (number(order, "count")?, number(order, "begin")?);
            opened
                .link
                .spread(opened.side, count, begin, opened.numbered)
        }
        "alone" => {
            let task = alone::Task {
                what: text(order, "what")?,
                session: text(order, "session")?,
                size: number(order, "size")? as usize,
                capacity: number(order, "capacity")? as usize,
                count: number(order, "count")?,
            };
            Ok(json!({ "times": alone::run(&task)? }))
        }
        "close" => {
            open.remove(text(order, "as")?);
            Ok(json!({}))
        }
        other => Err(format!("there is no order called {other}").into()),
    }
}

fn describe(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "how": entry.how,
        "tests": entry.tests.iter().map(|test| test.name()).collect::<Vec<_>>(),
        "smallest": entry.sizes.start(),
        "largest": entry.sizes.end(),
    })
}

fn text<'a>(order: &'a Value, key: &str) -> Result<&'a str> {
    order[key]
        .as_str()
        .ok_or_else(|| format!("the order has no text {key}").into())
}

fn number(order: &Value, key: &str) -> Result<u64> {
    order[key]
        .as_u64()
        .ok_or_else(|| format!("the order has no number {key}").into())
}
