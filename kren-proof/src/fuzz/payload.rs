//! Any bytes as a message that is read as an array, and as several (G7): taken for what the spec says they are, or
//! refused. The spec is read here a second time, without the core's code: docs/spec/payloads.md.

use super::outcome::Outcome;
use kren_core::array::{ArrayView, ArraysView};

/// DLPack's code, and how many bits it is there for.
const TYPES: [(u8, &[u8]); 6] = [
    (0, &[8, 16, 32, 64]),
    (1, &[8, 16, 32, 64]),
    (2, &[16, 32, 64]),
    (4, &[16]),
    (5, &[64, 128]),
    (6, &[8]),
];

pub(super) fn run(message: &[u8], outcome: &mut Outcome) {
    let expected = array(message);
    let found = ArrayView::parse(message);
    outcome.saw((
        expected.is_some(),
        found.as_ref().err().map(|reason| shape_of(reason)),
    ));
    assert_eq!(
        found.as_ref().ok().map(Plain::of),
        expected,
        "read as an array: {found:?}"
    );

    let expected = several(message);
    let found = ArraysView::parse(message);
    outcome.saw((
        expected.is_some(),
        found.as_ref().err().map(|reason| shape_of(reason)),
    ));
    let plain = found.as_ref().ok().map(|found| {
        let part = |(name, array): (&str, ArrayView<'_>)| (name.to_owned(), Plain::of(&array));
        found.iter().map(part).collect::<Vec<_>>()
    });
    assert_eq!(plain, expected, "read as several arrays: {found:?}");
}

/// A refusal without its figures.
fn shape_of(reason: &str) -> String {
    reason
        .chars()
        .filter(|c| c.is_alphabetic())
        .take(30)
        .collect()
}

/// An array as the spec describes it.
#[derive(Debug, PartialEq)]
struct Plain {
    code: u8,
    bits: u8,
    shape: Vec<u64>,
    data: Vec<u8>,
}

impl Plain {
    fn of(view: &ArrayView<'_>) -> Self {
        Self {
            code: view.dtype().code(),
            bits: view.dtype().bits(),
            shape: view.shape().iter().map(|&dim| dim as u64).collect(),
            data: view.bytes().to_vec(),
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// P1 for every kind; gives the header's length.
fn header(message: &[u8], kind: u8) -> Option<usize> {
    if message.len() < 64 || message[..5] != [b'K', b'R', b'P', 1, kind] {
        return None;
    }
    let header = u128::from(message[5]) * 64;
    let told = header + u128::from(u64_at(message, 16));
    (header > 0 && told == message.len() as u128).then_some(header as usize)
}

fn array(message: &[u8]) -> Option<Plain> {
    let header = header(message, 1)?;
    let ndim = usize::from(message[6]);
    let (code, bits, lanes) = (message[8], message[9], &message[10..12]);
    let is_small_float = (7..=14).contains(&code) && bits == 8;
    let is_listed = TYPES.iter().any(|(c, b)| *c == code && b.contains(&bits));
    let fits = matches!((ndim, header), (0..=5, 64) | (6..=13, 128));
    if lanes != [1, 0] || !fits || !(is_small_float || is_listed) {
        return None;
    }
    let shape: Vec<u64> = (0..ndim).map(|at| u64_at(message, 24 + 8 * at)).collect();
    if shape.iter().any(|&dim| dim >> 63 == 1) {
        return None;
    }
    let mut size = u128::from(bits / 8);
    for &dim in shape.iter().filter(|&&dim| dim > 0) {
        size = size.saturating_mul(u128::from(dim));
    }
    let told = if shape.contains(&0) { 0 } else { size };
    let data = message[header..].to_vec();
    let is_right = size < 1 << 53 && told == data.len() as u128;
    is_right.then_some(Plain {
        code,
        bits,
        shape,
        data,
    })
}

fn several(message: &[u8]) -> Option<Vec<(String, Plain)>> {
    if header(message, 3)? != 64 {
        return None;
    }
    let count = u32::from_le_bytes(message[12..16].try_into().ok()?) as usize;
    let first = 64 + count.checked_mul(64)?;
    if count > 1024 || first > message.len() {
        return None;
    }
    let mut parts: Vec<(String, Plain)> = vec![];
    for at in 1..=count {
        let entry = &message[64 * at..64 * (at + 1)];
        let (offset, len) = (u128::from(u64_at(entry, 0)), u128::from(u64_at(entry, 8)));
        if offset % 64 != 0 || offset < first as u128 || offset + len > message.len() as u128 {
            return None;
        }
        let name = entry[16..].split(|&byte| byte == 0).next()?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        if name.is_empty() || parts.iter().any(|(other, _)| *other == name) {
            return None;
        }
        parts.push((name, array(&message[offset as usize..][..len as usize])?));
    }
    Some(parts)
}
