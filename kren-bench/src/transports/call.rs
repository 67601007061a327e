//! KREN's service: the leading side calls, the other one answers.

use std::collections::VecDeque;

use kren_core::{KrenClient, KrenServer, Request, Strategy};

use super::kren::WRITES;
use super::{Entry, patiently};
use crate::Result;
use crate::link::{Ends, Link, Setup, Side};
use crate::payload::{self, Payload};

/// The request goes out in `receive`, which is the call.
struct Caller {
    client: KrenClient,
    payload: Payload,
    number: u64,
    size: usize,
}

impl Ends for Caller {
    #[inline]
    fn send(&mut self, number: u64) {
        self.number = number;
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        let request = self.payload.numbered(self.number);
        payload::read(&self.client.call(request, None).expect(WRITES))
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}

struct Answerer {
    server: KrenServer,
    requests: VecDeque<Request>,
    payload: Payload,
    size: usize,
}

impl Ends for Answerer {
    #[inline]
    fn send(&mut self, number: u64) {
        let request = self.requests.pop_front().expect("a request came before");
        let answer = self.payload.numbered(number);
        request.reply(answer).expect(WRITES);
    }

    #[inline]
    fn receive(&mut self) -> u64 {
        let request = self.server.next().expect(WRITES);
        let sum = payload::read(&request);
        self.requests.push_back(request);
        sum
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}

pub(super) fn entry() -> Entry {
    let how = "KrenClient::call, KrenServer::next and Request::reply; spinning";
    Entry::unlisted("kren-call", how, open)
}

fn open(setup: &Setup) -> Result<Box<dyn Link>> {
    let (strategy, payload, size) = (Strategy::Spin, Payload::new(setup.size), setup.size);
    Ok(match setup.side {
        Side::Lead => {
            let options = KrenClient::options().strategy(strategy);
            let options = options.capacity(setup.capacity);
            let client = options.connect(&setup.session)?;
            patiently(|| match client.server_state() {
                kren_core::PeerState::Attached => Ok(()),
                _ => Err("no server came"),
            })?;
            Box::new(Caller {
                client,
                payload,
                number: 0,
                size,
            })
        }
        Side::Follow => {
            let options = KrenServer::options().strategy(strategy);
            Box::new(Answerer {
                server: options.capacity(setup.capacity).create(&setup.session)?,
                requests: VecDeque::new(),
                payload,
                size,
            })
        }
    })
}
