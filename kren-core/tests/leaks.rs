//! Arrays and tables leave nothing behind, by whichever path they go: resident memory is flat. `cargo xtask proof leaks`
//! sends a million by each.
#![cfg(all(target_os = "linux", not(loom)))]

use kren_core::array::{ArrayView, DType};
use kren_core::{KrenReader, KrenWriter, Lease};

const GROWTH: i64 = 1 << 20;

/// How many by each path.
fn count() -> usize {
    let given = std::env::var("KREN_TEST_ARRAYS");
    given.map_or(20_000, |count| count.parse().expect("a number"))
}

/// Bytes of this process's own memory, as the kernel counts them: in pages.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse::<i64>().unwrap() << 10
}

/// One channel, whose paths are measured one after the other: memory is the whole process's.
struct Measured {
    writer: KrenWriter,
    reader: KrenReader,
}

impl Measured {
    fn path(
        &mut self,
        what: &str,
        count: usize,
        mut path: impl FnMut(&mut KrenWriter, &mut KrenReader),
    ) {
        let mut times = |count: usize| {
            for _ in 0..count {
                path(&mut self.writer, &mut self.reader);
            }
        };
        times(count / 10);
        let before = resident();
        times(count);
        let grown = resident() - before;
        println!("{what}: {count} times, {} KiB more", grown >> 10);
        assert!(grown < GROWTH, "{what}: {grown} bytes more");
        assert_eq!(self.reader.held(), 0, "{what}");
    }
}

fn lease(reader: &mut KrenReader) -> Lease {
    reader.read().unwrap().into_lease()
}

/// All of them in one test: memory is the process's.
#[test]
fn nothing_is_left_behind() {
    let name = format!("leaks-{}", std::process::id());
    let writer = KrenWriter::options()
        .alignment(64)
        .create(&name, 1 << 16)
        .unwrap();
    let reader = KrenReader::connect(&name).unwrap();
    let mut measured = Measured { writer, reader };
    let count = count();
    let data: Vec<f32> = (0..16_u8).map(f32::from).collect();

    measured.path("in place", count, |writer, reader| {
        writer.write_array(&[4, 4], &data).unwrap();
        let message = reader.read().unwrap();
        assert_eq!(message.array().unwrap().as_slice(), Some(&data[..]));
    });
    measured.path("held, two at once", count, |writer, reader| {
        writer.write_array(&[16], &data).unwrap();
        writer.write_array(&[16], &data).unwrap();
        let (first, second) = (lease(reader), lease(reader));
        drop(first);
        assert_eq!(second.array().unwrap().len(), 16);
    });
    measured.path("built in place", count, |writer, reader| {
        let mut slot = writer.reserve_array(&[16], DType::Float32).unwrap();
        slot.as_mut_slice::<f32>().unwrap().copy_from_slice(&data);
        slot.commit();
        writer.reserve_array(&[8], DType::Uint8).unwrap().abort();
        assert_eq!(reader.read().unwrap().array().unwrap().len(), 16);
    });
    measured.path("several", count, |writer, reader| {
        let array = ArrayView::new(&[16], &data).unwrap();
        writer.write_arrays(&[("a", array), ("b", array)]).unwrap();
        assert_eq!(reader.read().unwrap().arrays().unwrap().len(), 2);
    });
    measured.path("awaited", count, |writer, reader| {
        writer.write_array(&[16], &data).unwrap();
        let message = smol::block_on(reader.read_async()).unwrap();
        assert_eq!(message.array().unwrap().len(), 16);
    });
    measured.path("refused", count, |writer, reader| {
        writer.write_array(&[16], &data).unwrap();
        assert!(reader.read().unwrap().arrays().is_err());
    });
    #[cfg(feature = "ndarray")]
    features::ndarrays(&mut measured, count);
    #[cfg(feature = "arrow")]
    features::tables(&mut measured, count / 20);
}

#[cfg(any(feature = "ndarray", feature = "arrow"))]
mod features {
    use super::{Measured, lease};

    #[cfg(feature = "ndarray")]
    pub(super) fn ndarrays(measured: &mut Measured, count: usize) {
        let square = ndarray::Array2::<f32>::zeros((4, 4));
        measured.path("ndarray", count, |writer, reader| {
            writer.write_ndarray(&square.t()).unwrap();
            let held = lease(reader);
            let received = held.array().unwrap();
            assert_eq!(received.as_ndarray::<f32>().unwrap().sum(), 0.0);
        });
    }

    #[cfg(feature = "arrow")]
    pub(super) fn tables(measured: &mut Measured, count: usize) {
        use arrow_array::record_batch;
        use kren_core::table::Table;
        let batch = record_batch!(("n", Int32, [1, 2, 3]), ("s", Utf8, ["a", "b", "c"]));
        let table = Table::from(batch.unwrap());
        measured.path("table", count, |writer, reader| {
            writer.write_table(&table).unwrap();
            assert_eq!(lease(reader).into_table().unwrap(), table);
        });
        measured.path("refused table", count, |writer, reader| {
            writer.write_array(&[3], b"abc").unwrap();
            assert!(lease(reader).into_table().is_err());
        });
    }
}
