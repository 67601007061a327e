//! Futures, under two runtimes that have nothing in common (G1, G3, G4, G9).
//!
//! ```text
//! cargo test -p kren-core --features futures --test futures
//! ```

use futures_util::future::{join, join_all, select};
use futures_util::{SinkExt, StreamExt};
use kren_core::{
    CallOptions, Error, KrenClient, KrenDealer, KrenInbox, KrenPublisher, KrenReader, KrenSender,
    KrenServer, KrenSubscriber, KrenWorker, KrenWriter, Order, Selector,
};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const PAGE: usize = 4096;
/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("futures-{what}-{}-{count}", std::process::id())
}

/// Runs it under tokio, on several threads and on one, and under smol; a hang is a failure.
fn everywhere<F: Future<Output = ()> + Send + 'static>(test: impl Fn() -> F) {
    for threads in [1, 3] {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(threads).enable_time().build();
        let runtime = runtime.unwrap();
        let limited = async { tokio::time::timeout(PATIENCE, test()).await };
        runtime.block_on(limited).expect("it hangs");
    }
    let hang = async {
        smol::Timer::after(PATIENCE).await;
        panic!("it hangs");
    };
    smol::block_on(smol::future::or(test(), hang));
}

/// Polls once.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// G1: all arrive, in order, through a ring that is full most of the time.
#[test]
fn messages_arrive_in_order() {
    everywhere(|| async {
        let name = name("order");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        let writing = async {
            for at in 0..3000_u32 {
                let message = vec![at as u8; 4 + at as usize % 1500];
                writer.write_tagged_async(at, &message).await.unwrap();
            }
            writer.flush_async().await.unwrap();
            drop(writer);
        };
        let reading = async {
            for at in 0..3000_u32 {
                let message = reader.read_async().await.unwrap();
                assert_eq!(message.tag(), at);
                assert_eq!(message, vec![at as u8; 4 + at as usize % 1500]);
            }
            let end = reader.read_async().await.unwrap_err();
            assert!(matches!(end, Error::Closed { .. }), "{end:?}");
        };
        join(writing, reading).await;
    });
}

/// G1: the same as a stream and a sink, with messages held meanwhile.
#[test]
fn a_sink_and_a_stream() {
    everywhere(|| async {
        let name = name("stream");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        let writing = async {
            let mut sink = writer.sink();
            for at in 0..2000_u32 {
                sink.send(at.to_le_bytes()).await.unwrap();
            }
            sink.close().await.unwrap();
            drop(sink);
            drop(writer);
        };
        let reading = async {
            let mut stream = reader.stream();
            let mut held = vec![];
            for at in 0..2000_u32 {
                let message = stream.next().await.unwrap().unwrap();
                assert_eq!(*message, at.to_le_bytes());
                held.push(message);
                if held.len() > 20 {
                    held.clear();
                }
            }
            drop(held);
            assert!(stream.next().await.is_none());
            assert!(stream.next().await.is_none());
        };
        join(writing, reading).await;
    });
}

/// A broadcast, of which each subscriber gets everything.
#[test]
fn subscribers_are_awaited() {
    everywhere(|| async {
        let name = name("broadcast");
        let mut publisher = KrenPublisher::create(&name, PAGE).unwrap();
        let subscribers: Vec<_> = (0..3)
            .map(|_| KrenSubscriber::connect(&name).unwrap())
            .collect();
        let publishing = async {
            for at in 0..1000_u32 {
                let message = vec![at as u8; at as usize % 1500];
                publisher.write_async(&message).await.unwrap();
            }
            drop(publisher);
        };
        let reading = subscribers.into_iter().map(|mut subscriber| async move {
            for at in 0..1000_u32 {
                let message = subscriber.read_async().await.unwrap();
                assert_eq!(message, vec![at as u8; at as usize % 1500]);
            }
            let end = subscriber.read_async().await.unwrap_err();
            assert!(matches!(end, Error::Closed { .. }), "{end:?}");
        });
        join(publishing, join_all(reading)).await;
    });
}

/// P7: of each sender all arrive, in order, at an inbox that is awaited.
#[test]
fn an_inbox_is_awaited() {
    everywhere(|| async {
        let name = name("inbox");
        let mut inbox = KrenInbox::create(&name, PAGE).unwrap();
        let sending = (0..3_u8).map(|who| {
            let mut sender = KrenSender::connect(&name).unwrap();
            async move {
                for at in 0..300_u32 {
                    let message = vec![who; at as usize % 1500];
                    sender.write_tagged_async(at, &message).await.unwrap();
                }
                sender.flush_async().await.unwrap();
            }
        });
        let reading = async {
            let mut next = [0; 3];
            for _ in 0..900 {
                let letter = inbox.read_async().await.unwrap();
                let at = letter.tag();
                let who = (0..3).find(|who| {
                    next[*who] == at && letter.iter().all(|byte| usize::from(*byte) == *who)
                });
                next[who.expect("in its sender's order")] += 1;
            }
            assert_eq!(next, [300; 3]);
        };
        join(join_all(sending), reading).await;
    });
}

/// P9: each message goes to one of the workers that are awaited.
#[test]
fn workers_are_awaited() {
    everywhere(|| async {
        let name = name("queue");
        let workers: Vec<_> = (0..3)
            .map(|_| KrenWorker::connect(&name).unwrap())
            .collect();
        let mut dealer = KrenDealer::create(&name, PAGE).unwrap();
        let dealing = async {
            for at in 0..600_u32 {
                let bytes = at.to_le_bytes();
                dealer.write_async(&Order::new(&bytes)).await.unwrap();
            }
            dealer.drain(PATIENCE).unwrap();
            dealer.close().unwrap();
        };
        let working = workers.into_iter().map(|mut worker| async move {
            let mut done = vec![];
            loop {
                match worker.read_async().await {
                    Ok(work) => done.push(u32::from_le_bytes(work[..].try_into().unwrap())),
                    Err(Error::Closed { .. }) => return done,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        // The drain blocks: on a thread of its own.
        let dealing = smol::unblock(move || smol::block_on(dealing));
        let (_, done) = join(dealing, join_all(working)).await;
        let mut all: Vec<u32> = done.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..600));
    });
}

/// P11: calls are answered, whatever their number and order; who drops the future of a call cancels it.
#[test]
fn calls_are_awaited() {
    everywhere(|| async {
        let name = name("service");
        let mut server = KrenServer::create(&name).unwrap();
        let mut clients: Vec<_> = (0..3)
            .map(|_| KrenClient::connect(&name).unwrap())
            .collect();
        let serving = async {
            for _ in 0..300 {
                let request = server.next_async().await.unwrap();
                let bytes = request.to_vec();
                request.reply(&bytes).unwrap();
            }
        };
        let calling = clients.iter_mut().map(|client| async move {
            for at in 0..100_u8 {
                let body = vec![at; usize::from(at) * 10];
                let options = CallOptions::default().timeout(PATIENCE);
                let reply = client.call_async(&body, options).await.unwrap();
                assert_eq!(reply[..], body);
            }
        });
        join(serving, join_all(calling)).await;

        let client = &mut clients[0];
        assert!(poll(pin!(client.call_async(b"never", CallOptions::default()))).is_pending());
        assert_eq!(client.pending(), 0);
        let request = server.next_async().await.unwrap();
        // The cancellation is behind it in its lane.
        assert!(server.try_next().unwrap().is_none());
        assert!(request.is_cancelled());
        drop(request);
        let options = CallOptions::default().timeout(Duration::from_millis(1));
        let late = client.call_async(b"late", options).await.unwrap_err();
        assert!(matches!(late, Error::TimedOut { .. }), "{late}");
        drop(server);
        let gone = client
            .call_async(b"x", CallOptions::default())
            .await
            .unwrap_err();
        // It is asked for now and then, not for each call.
        assert!(
            matches!(gone, Error::NoServer { .. } | Error::ServerDied { .. }),
            "{gone}"
        );
    });
}

/// A future that is dropped has taken nothing, and the end can be used in every other way afterwards.
#[test]
fn futures_are_cancel_safe() {
    let name = name("cancel");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    for round in 0..200_u8 {
        assert!(poll(pin!(reader.read_async())).is_pending());
        if round % 2 == 0 {
            // On its way already, or not.
            writer.write(&[round]).unwrap();
            let _ = poll(pin!(reader.wait_readable_async()));
        } else {
            writer.write(&[round]).unwrap();
        }
        assert_eq!(reader.read_timeout(PATIENCE).unwrap(), [round]);
    }
    let full = vec![1; PAGE - 8];
    writer.write(&full).unwrap();
    assert!(poll(pin!(writer.write_async(b"never"))).is_pending());
    assert!(poll(pin!(writer.flush_async())).is_pending());
    assert_eq!(reader.read().unwrap(), full);
    writer.write(b"next").unwrap();
    assert_eq!(reader.read().unwrap(), b"next");
    assert!(reader.try_read().unwrap().is_none());
}

/// An end is a selector's or a future's, and is the other's afterwards.
#[test]
fn a_selector_and_a_future_exclude_each_other() {
    let name = name("exclude");
    let mut writer = KrenWriter::create(&name, PAGE).unwrap();
    let mut reader = KrenReader::connect(&name).unwrap();
    let mut selector = Selector::new().unwrap();
    selector.add(1, reader.readable().unwrap()).unwrap();
    let Poll::Ready(Err(busy)) = poll(pin!(reader.read_async())) else {
        panic!("it waits");
    };
    assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    selector.remove(1);
    {
        let interest = reader.readable().unwrap();
        let mut reading = pin!(reader.read_async());
        assert!(poll(reading.as_mut()).is_pending());
        let busy = selector.add(1, interest).unwrap_err();
        assert!(matches!(busy, Error::Busy { .. }), "{busy}");
    }
    selector.add(1, reader.readable().unwrap()).unwrap();
    writer.write(b"x").unwrap();
    assert_eq!(selector.wait(Some(PATIENCE)).unwrap().len(), 1);
}

/// Many ends that are awaited at once, by tasks that move between threads.
#[test]
fn a_ring_of_tasks() {
    everywhere(|| async {
        let names: Vec<_> = (0..30).map(|_| name("ring")).collect();
        let mut writers: Vec<_> = names
            .iter()
            .map(|name| KrenWriter::create(name, PAGE).unwrap())
            .collect();
        let readers = names.iter().map(|name| KrenReader::connect(name).unwrap());
        writers.rotate_left(1);
        writers[29].write(&0_u32.to_le_bytes()).unwrap();
        let pass_on = readers
            .zip(writers)
            .map(|(mut reader, mut writer)| async move {
                loop {
                    let message = reader.read_async().await;
                    let Ok(message) = message else { return };
                    let at = u32::from_le_bytes(message[..].try_into().unwrap());
                    drop(message);
                    if at == 600 {
                        return;
                    }
                    if writer.write_async(&(at + 1).to_le_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        join_all(pass_on).await;
    });
}

/// G4: a close, and a successor; and a channel that does not exist yet.
#[test]
fn what_comes_later_is_waited_for() {
    everywhere(|| async {
        let name = name("later");
        let connecting = KrenReader::connect_async(&name);
        let mut connecting = pin!(connecting);
        assert!(poll(connecting.as_mut()).is_pending());
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = connecting.await.unwrap();
        writer.write_async(b"one").await.unwrap();
        drop(writer);
        assert_eq!(reader.read_async().await.unwrap(), b"one");
        let end = reader.read_async().await.unwrap_err();
        assert!(matches!(end, Error::Closed { .. }), "{end:?}");
        let coming = async {
            let mut writer = KrenWriter::create(&name, PAGE).unwrap();
            writer.write_async(b"two").await.unwrap();
            writer
        };
        let (arrived, writer) = join(reader.wait_for_writer_async(), coming).await;
        arrived.unwrap();
        assert_eq!(reader.read_async().await.unwrap(), b"two");
        drop(writer);
    });
}

/// A reader that always has a message lets the others of its thread run.
#[test]
fn others_have_their_turn() {
    smol::block_on(async {
        let name = name("turn");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        let mut reader = KrenReader::connect(&name).unwrap();
        let greedy = async {
            loop {
                writer.write_async(b"always").await.unwrap();
                drop(reader.read_async().await.unwrap());
            }
        };
        let other = smol::future::yield_now();
        // Were `greedy` polled first, and never done with it, this would not end.
        select(pin!(greedy), pin!(other)).await;
    });
}

/// The processor time that this process has had.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let time = |thread: std::io::Result<std::fs::DirEntry>| -> u64 {
        let stat = std::fs::read_to_string(thread.unwrap().path().join("schedstat"));
        let stat = stat.unwrap_or_default();
        let time = stat.split(' ').next().unwrap_or_default();
        time.parse().unwrap_or(0)
    };
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    Duration::from_nanos(threads.map(time).sum())
}

/// G9: a thousand channels that are awaited cost one thread, and no processor time; and nothing is left of it.
///
/// In a process of its own, since the other tests have threads too.
#[test]
#[cfg(target_os = "linux")]
fn a_thousand_awaited_channels_cost_one_thread() {
    const ALONE: &str = "KREN_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let test = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_thousand_awaited_channels_cost_one_thread"])
            .args(["--nocapture", "--test-threads=1"])
            .env(ALONE, "1")
            .status();
        assert!(test.unwrap().success());
        return;
    }
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
        // The runtime has threads of its own.
        names
            .filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "kren-wait"))
            .count()
    };
    let bells = || {
        let pid = std::process::id().to_le_bytes();
        let shm = std::fs::read_dir("/dev/shm").unwrap();
        shm.filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            let is_bell = path.to_string_lossy().contains("kren-@");
            is_bell && std::fs::read(path).is_ok_and(|bytes| bytes[48..52] == pid)
        })
        .count()
    };
    let names: Vec<_> = (0..1000).map(|_| name("thousand")).collect();
    let mut writers: Vec<_> = names
        .iter()
        .map(|name| KrenWriter::create(name, PAGE).unwrap())
        .collect();
    let mut readers: Vec<_> = names
        .iter()
        .map(|name| KrenReader::connect(name).unwrap())
        .collect();
    {
        let mut reading: Vec<_> = readers
            .iter_mut()
            .map(|reader| Box::pin(reader.read_async()))
            .collect();
        for read in &mut reading {
            assert!(poll(read.as_mut()).is_pending());
        }
        assert_eq!((threads(), bells()), (1, 1));
        let start = processor_time();
        std::thread::sleep(Duration::from_secs(1));
        let spent = processor_time() - start;
        println!("a second of waiting for 1,000 channels: {spent:?}");
        // A debug build looks at a thousand pages ten times; the promise is a millisecond.
        assert!(spent < Duration::from_millis(20), "{spent:?}");
        writers[500].write(b"here").unwrap();
        smol::block_on(async {
            let message = reading[500].as_mut().await.unwrap();
            assert_eq!(message, b"here");
        });
    }
    drop(readers);
    assert_eq!((threads(), bells()), (0, 0));
}

/// The thread ends with the last end that was awaited, and comes again with the next, however often.
#[test]
fn the_thread_comes_and_goes() {
    let hang = std::thread::spawn(|| {
        let name = name("come-and-go");
        let mut writer = KrenWriter::create(&name, PAGE).unwrap();
        for _ in 0..3000 {
            let mut reader = KrenReader::connect(&name).unwrap();
            assert!(poll(pin!(reader.read_async())).is_pending());
        }
        writer.write(b"x").unwrap();
    });
    let start = std::time::Instant::now();
    while !hang.is_finished() {
        assert!(start.elapsed() < PATIENCE, "it hangs");
        std::thread::sleep(Duration::from_millis(10));
    }
    hang.join().unwrap();
}
