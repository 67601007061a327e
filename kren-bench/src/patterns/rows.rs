//! The rows of the table of targets: who is measured beside whom, and what is wanted.

use super::contest::{Act, Bound, Contender, Contest, Verdict};
use crate::options::Options;
use crate::pair::Language;

pub(super) const TITLES: [&str; 7] = [
    "A publisher with one subscriber, beside a channel",
    "A write with 16 lossless subscribers, beside one with one",
    "Broadcast: a message until the last reader has it",
    "Round trip through an inbox, the other senders idle, beside a channel's",
    "Python: four to one, one to four; 64 B",
    "Call and answer of 64 B",
    "One thousand channels in a selector",
];

const READERS: [usize; 4] = [1, 2, 4, 8];
const SIZES: [usize; 4] = [64, 1 << 10, 64 << 10, 1 << 20];
/// From here on messages are built in place, as the guide says.
const LARGE: usize = 64 << 10;
const SMALL: usize = 64;
/// Bytes of each of many rings.
const EACH: usize = 64 << 10;
const CHANNEL: &str = "kren";

/// All contests of the rows and languages that the options ask for.
pub(super) fn all(options: &Options) -> Vec<Contest> {
    let asked = |contest: &Contest| {
        let rows = &options.rows;
        (rows.is_empty() || rows.contains(&contest.row))
            && options.pairs.contains(&[contest.language; 2])
    };
    let mut all = vec![];
    all.extend([SMALL, 1 << 10].map(|size| publisher(size, options)));
    all.extend([false, true].map(|asleep| attached(asleep, options)));
    for language in Language::ALL {
        for size in SIZES {
            all.extend(READERS.map(|readers| broadcast(language, readers, size, options)));
        }
    }
    all.push(inbox());
    all.extend([Act::Gather, Act::Deal].map(|act| queue(act, options)));
    all.extend(Language::ALL.map(|language| call(language, options)));
    all.extend([Act::Wake, Act::Idle].map(selector));
    all.retain(asked);
    all
}

fn publisher(size: usize, options: &Options) -> Contest {
    let ours = "kren-broadcast";
    Contest {
        row: 1,
        case: name_of(size),
        language: Language::Rust,
        act: Act::Spread,
        size,
        capacity: options.ring(size),
        contenders: vec![plain(CHANNEL, 1), plain(ours, 1)],
        verdicts: vec![verdict(ours, CHANNEL, Bound::AtMost(1.1))],
    }
}

fn attached(asleep: bool, options: &Options) -> Contest {
    let several = |transport: &'static str| {
        [1, 16].map(|readers| Contender {
            name: format!("{transport}, {readers}"),
            ..plain(transport, readers)
        })
    };
    let ours = |readers: usize| format!("kren-broadcast, {readers}");
    Contest {
        row: 2,
        case: match asleep {
            true => "64 B, they sleep",
            false => "64 B, they keep up",
        }
        .to_owned(),
        language: Language::Rust,
        act: Act::Writes { asleep },
        size: SMALL,
        capacity: options.capacity,
        contenders: [several("kren-broadcast"), several("iceoryx2-broadcast")]
            .into_iter()
            .flatten()
            .collect(),
        verdicts: vec![
            verdict(&ours(16), &ours(1), Bound::AtMost(1.25)),
            verdict(&ours(16), "iceoryx2-broadcast, 16", Bound::AtLeast(3.0)),
        ],
    }
}

fn broadcast(language: Language, readers: usize, size: usize, options: &Options) -> Contest {
    let ours = match size {
        ..LARGE => "kren-broadcast",
        _ => "kren-broadcast-inplace",
    };
    let rivals: &[&str] = match language {
        Language::Rust => &[
            "ringfire-broadcast",
            "iceoryx2-broadcast",
            "aeron-broadcast",
        ],
        Language::Python => &["pipes-broadcast", "zeromq-broadcast"],
        Language::Node => &["unix-broadcast"],
    };
    let all = [ours].into_iter().chain(rivals.iter().copied());
    Contest {
        row: 3,
        case: format!("{}, {readers} readers", name_of(size)),
        language,
        act: Act::Spread,
        size,
        capacity: options.ring(size),
        contenders: all.map(|transport| plain(transport, readers)).collect(),
        verdicts: rivals
            .iter()
            .map(|theirs| verdict(ours, theirs, Bound::AtLeast(1.0)))
            .collect(),
    }
}

fn inbox() -> Contest {
    let senders = [(1, 1.1), (16, 1.2), (256, 1.5)];
    let name = |senders: usize| format!("kren-inbox, 1 of {senders}");
    let several = senders.map(|(channels, _)| Contender {
        name: name(channels),
        channels,
        ..plain("kren-inbox", 1)
    });
    Contest {
        row: 4,
        case: "64 B".to_owned(),
        language: Language::Rust,
        act: Act::Trips,
        size: SMALL,
        capacity: EACH,
        contenders: [plain(CHANNEL, 1)].into_iter().chain(several).collect(),
        verdicts: senders
            .iter()
            .map(|(senders, most)| verdict(&name(*senders), CHANNEL, Bound::AtMost(*most)))
            .collect(),
    }
}

fn queue(act: Act, options: &Options) -> Contest {
    let (case, names) = match act {
        Act::Gather => (
            "four to one",
            [
                "kren-gather",
                "queue-gather",
                "faster-fifo-gather",
                "zeromq-gather",
            ],
        ),
        _ => (
            "one to four",
            ["kren-deal", "queue-deal", "faster-fifo-deal", "zeromq-deal"],
        ),
    };
    let wanted = [(names[1], 5.0), (names[2], 2.0), (names[3], 2.0)];
    Contest {
        row: 5,
        case: case.to_owned(),
        language: Language::Python,
        act,
        size: SMALL,
        capacity: options.capacity,
        contenders: names.map(|transport| plain(transport, 4)).into(),
        verdicts: wanted
            .map(|(theirs, times)| verdict(names[0], theirs, Bound::AtLeast(times)))
            .into(),
    }
}

fn call(language: Language, options: &Options) -> Contest {
    let ours = "kren-call";
    let wanted = match language {
        Language::Rust => vec![
            (CHANNEL, Bound::AtMost(1.15)),
            ("tachyon-call", Bound::AtLeast(1.0)),
        ],
        Language::Python => vec![("zeromq-call", Bound::AtLeast(10.0))],
        Language::Node => vec![("http-call", Bound::AtLeast(10.0))],
    };
    let all = [ours]
        .into_iter()
        .chain(wanted.iter().map(|(theirs, _)| *theirs));
    Contest {
        row: 6,
        case: "64 B".to_owned(),
        language,
        act: Act::Trips,
        size: SMALL,
        capacity: options.capacity,
        contenders: all.map(|transport| plain(transport, 1)).collect(),
        verdicts: wanted
            .iter()
            .map(|(theirs, bound)| verdict(ours, theirs, *bound))
            .collect(),
    }
}

fn selector(act: Act) -> Contest {
    let name = |channels: usize| format!("kren-selector, {channels}");
    let several = [1, 1000].map(|channels| Contender {
        name: name(channels),
        channels,
        ..plain("kren-selector", 1)
    });
    let reader = "kren-sleep";
    let (case, verdicts) = match act {
        Act::Wake => (
            "wake-up, 64 B",
            [name(1).as_str(), reader]
                .map(|theirs| verdict(&name(1000), theirs, Bound::AtMost(1.3)))
                .into(),
        ),
        _ => (
            "idle, share of a processor",
            vec![verdict(&name(1000), "", Bound::Below(0.001))],
        ),
    };
    Contest {
        row: 7,
        case: case.to_owned(),
        language: Language::Rust,
        act,
        size: SMALL,
        capacity: EACH,
        contenders: several.into_iter().chain([plain(reader, 1)]).collect(),
        verdicts,
    }
}

fn plain(transport: &'static str, followers: usize) -> Contender {
    Contender {
        name: transport.to_owned(),
        transport,
        channels: 1,
        followers,
    }
}

fn verdict(ours: &str, theirs: &str, bound: Bound) -> Verdict {
    Verdict {
        ours: ours.to_owned(),
        theirs: theirs.to_owned(),
        bound,
    }
}

fn name_of(size: usize) -> String {
    crate::report::size_name(size)
}
