//! ZeroMQ: a PAIR over ipc.

use super::{Entry, SLEEPS, TABLE_SIZES};
use crate::Result;
use crate::link::{Ends, Setup, Side};
use crate::payload::{self, Payload};

struct ZeroMq {
    socket: zmq::Socket,
    message: zmq::Message,
    payload: Payload,
    size: usize,
    path: Option<std::path::PathBuf>,
}

pub(super) fn entry() -> Entry {
    Entry {
        name: "zeromq",
        how: "libzmq: a PAIR over ipc, send and recv",
        tests: SLEEPS,
        sizes: TABLE_SIZES,
        listed: true,
        open: |setup| Ok(Box::new(ZeroMq::open(setup)?)),
    }
}

impl ZeroMq {
    fn open(setup: &Setup) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{}.zmq", setup.session));
        let address = format!("ipc://{}", path.display());
        let socket = zmq::Context::new().socket(zmq::PAIR)?;
        socket.set_linger(0)?;
        match setup.side {
            Side::Lead => socket.bind(&address)?,
            Side::Follow => socket.connect(&address)?,
        }
        Ok(Self {
            socket,
            message: zmq::Message::new(),
            payload: Payload::new(setup.size),
            size: setup.size,
            path: (setup.side == Side::Lead).then_some(path),
        })
    }
}

impl Drop for ZeroMq {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Ends for ZeroMq {
    fn send(&mut self, number: u64) {
        self.socket
            .send(self.payload.numbered(number), 0)
            .expect("the other side is connected");
    }

    fn receive(&mut self) -> u64 {
        self.socket
            .recv(&mut self.message, 0)
            .expect("the other side is connected");
        payload::read(&self.message)
    }

    fn carried(&self) -> Option<usize> {
        Some(self.size)
    }
}
