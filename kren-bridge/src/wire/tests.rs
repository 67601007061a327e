//! What is said is what is heard, and nothing else is.

use super::*;
use proptest::prelude::*;

fn samples() -> Vec<Body<'static>> {
    let machine = Machine {
        name: "hall-3".into(),
        hash: 77,
    };
    vec![
        Body::Offer(Offer {
            kind: 1,
            was_carried: true,
            alignment: 64,
            capacity: 1 << 40,
            seats: 16,
            instance: 9,
            oldest: 1 << 50,
            machine: machine.clone(),
            schema: Some(("ticks".into(), "price, ü".into(), 8)),
        }),
        Body::Data(Data {
            round: 1,
            count: 2,
            first: 3,
            records: &[1, 0, 0, 0, 7, 0, 0, 0, 0xaa, 0, 0, 0, 0, 8, 0, 0, 0],
        }),
        Body::Piece(Piece {
            round: 1,
            tag: 2,
            number: 3,
            total: 10,
            offset: 4,
            bytes: b"middle",
        }),
        Body::End(End {
            round: 1,
            has_died: true,
            number: 5,
        }),
        Body::Probe(Probe {
            round: 4,
            question: 5,
            sent: 6,
            offset: 7,
        }),
        Body::Absent,
        Body::Join(machine),
        Body::Ack(Ack {
            serial: 1,
            want: 2,
            room: 3,
            alignment: 8,
            round: 4,
            question: 5,
            has_gap: true,
            has_ended: false,
        }),
        Body::Refusal("no".into()),
    ]
}

fn framed(body: Body<'_>) -> Frame<'_> {
    Frame {
        sender: 0x1122_3344_5566_7788,
        receiver: 2,
        body,
    }
}

#[test]
fn each_frame_survives_a_round_trip_and_no_part_of_it_is_one() {
    for body in samples() {
        let frame = framed(body);
        let bytes = frame.encode();
        assert_eq!(decode(&bytes).as_ref(), Ok(&frame));
        for len in 0..bytes.len() {
            // A piece cut short is a shorter piece, to which the receiver finds no continuation.
            if !matches!(frame.body, Body::Piece(_)) || len <= HEAD + 24 {
                assert_eq!(decode(&bytes[..len]), Err(Malformed::Garbage), "{len}");
            }
        }
    }
}

#[test]
fn messages_are_found_in_their_frame() {
    let mut bytes = data(1, 2, 3, 40, 100);
    for (tag, message) in [(5, &b"one"[..]), (0, b""), (6, b"three")] {
        record(&mut bytes, message.len(), tag);
        bytes.extend(message);
    }
    seal(&mut bytes, 3);
    let Ok(Frame {
        body: Body::Data(data),
        ..
    }) = decode(&bytes)
    else {
        panic!("no data");
    };
    assert_eq!((data.round, data.first, data.count), (3, 40, 3));
    let messages: Vec<_> = data.messages().collect();
    assert_eq!(messages, [(5, &b"one"[..]), (0, b""), (6, b"three")]);
}

#[test]
fn another_version_is_told_from_garbage() {
    let mut bytes = framed(Body::Absent).encode();
    bytes[4] = 9;
    assert_eq!(decode(&bytes), Err(Malformed::Version(9)));
    bytes[0] = 0;
    assert_eq!(decode(&bytes), Err(Malformed::Garbage));
}

proptest! {
    /// No bytes make the decoder panic, and what it takes is what it would say.
    #[test]
    fn hostile_bytes(
        at in 0_usize..9,
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in any::<usize>(),
    ) {
        let mut bytes = framed(samples().swap_remove(at)).encode();
        for (index, value) in flips {
            let len = bytes.len();
            bytes[index % len] = value;
        }
        bytes.truncate(cut % (bytes.len() + 1));
        if let Ok(frame) = decode(&bytes) {
            let again = frame.encode();
            prop_assert_eq!(decode(&again), Ok(frame));
        }
    }
}

/// A piece that comes in parts is found in them, and not beyond its message's end.
#[test]
fn a_piece_in_parts() {
    let piece = |offset, bytes| Piece {
        round: 1,
        tag: 2,
        number: 3,
        total: 10,
        offset,
        bytes,
    };
    let bytes = framed(Body::Piece(piece(4, b"middle"))).encode();
    let (first, rest) = bytes.split_at(bytes.len() - 4);
    let Ok(Frame {
        body: Body::Piece(found),
        ..
    }) = decode(first)
    else {
        panic!("no piece");
    };
    assert_eq!(found, piece(4, b"mi"));
    let next = found.followed_by(&rest[..3]);
    assert_eq!(next, Ok(piece(6, b"ddl")));
    assert_eq!(next.clone().unwrap().followed_by(b"e"), Ok(piece(9, b"e")));
    for wrong in [&b"ex"[..], b""] {
        let garbage = next.clone().unwrap().followed_by(wrong);
        assert_eq!(garbage, Err(Malformed::Garbage));
    }
}
