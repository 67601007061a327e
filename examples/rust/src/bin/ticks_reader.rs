//! Adds up tables of ticks where they lie in the ring, until the writer closes. The writer is
//! `examples/python/ticks_writer.py`.
//!
//! Needs the feature `arrow` of `kren-core`.
//!
//! Usage: `ticks_reader [CHANNEL]`

use std::collections::BTreeMap;
use std::time::Instant;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{Array as _, RecordBatch};
use kren_core::{ErrorCode, KrenReader};
use kren_examples::{PATIENCE, channel};

/// Shares and cents.
type Sum = (i64, i64);

fn main() -> kren_examples::Outcome {
    let mut totals = BTreeMap::new();
    let (mut tables, mut rows, mut started) = (0, 0_usize, Instant::now());

    let mut reader = KrenReader::options()
        .timeout(PATIENCE)
        .connect(&channel("ticks"))?;
    loop {
        let message = match reader.read() {
            Ok(message) => message,
            Err(error) if error.code() == ErrorCode::Closed => break,
            Err(error) => return Err(error.into()),
        };
        if tables == 0 {
            started = Instant::now();
        }
        let table = message.into_lease().into_table()?;
        for batch in &table.batches {
            add(batch, &mut totals).ok_or("a table has no column of ticks that it should have")?;
        }
        tables += 1;
        rows += table.num_rows();
    }

    let millions = rows as f64 / started.elapsed().as_secs_f64() / 1e6;
    println!("received {tables} tables: {millions:.1} million ticks/s");
    for (symbol, (shares, cents)) in totals {
        let average = cents / shares;
        println!("{symbol} {shares} shares at {average} cents, {cents} cents in all");
    }
    Ok(())
}

/// None where a column is missing or of another type.
fn add(ticks: &RecordBatch, totals: &mut BTreeMap<String, Sum>) -> Option<()> {
    let symbols = ticks.column_by_name("symbol")?.as_any_dictionary_opt()?;
    let names = symbols.values().as_string_opt::<i64>()?;
    let prices = ticks
        .column_by_name("price")?
        .as_primitive_opt::<Int32Type>()?;
    let sizes = ticks
        .column_by_name("size")?
        .as_primitive_opt::<Int32Type>()?;
    let mut sums = vec![(0, 0); names.len()];
    for ((key, price), size) in symbols
        .normalized_keys()
        .into_iter()
        .zip(prices.values())
        .zip(sizes.values())
    {
        let (shares, cents): &mut Sum = &mut sums[key];
        *shares += i64::from(*size);
        *cents += i64::from(*size) * i64::from(*price);
    }
    for (name, (shares, cents)) in names.iter().zip(sums) {
        let total = totals.entry(name?.to_owned()).or_default();
        total.0 += shares;
        total.1 += cents;
    }
    Some(())
}
