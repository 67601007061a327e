//! zenoh, by which bridges find each other and frames travel. Nothing else knows it.
//!
//! What is promised end to end is not asked of it: frames may be lost whenever a link is.

use crate::wire::Machine;
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::CongestionControl;
use zenoh::sample::{Locality, SampleKind};

/// The first part of each key.
const ROOT: &str = "kren";

/// What is exported, as far as another side has to know it before it is offered: the last part of the key of who exports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A channel, a broadcast, or a lane of an inbox.
    Stream,
    /// An inbox.
    Inbox,
    /// A service.
    Service,
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the source to the far side.
    Down,
    /// Back.
    Up,
    /// Back as well, what is not said again: the calls of a service.
    Calls,
}

/// A session of zenoh, in a realm.
pub struct Link {
    session: zenoh::Session,
    realm: String,
    machine: Machine,
}

/// Where frames of one channel are sent to.
pub struct Speaker(Publisher<'static>);

/// As long as it lives frames of one channel are heard.
pub struct Listener {
    _subscriber: Subscriber<()>,
}

/// As long as it lives others know that the channel is exported.
pub struct Token {
    _token: LivelinessToken,
}

type Result<T> = std::result::Result<T, String>;

/// What zenoh says, without the places in its source where it says it.
#[allow(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn words(error: zenoh::Error) -> String {
    without_places(error.to_string())
}

fn without_places(mut text: String) -> String {
    while let Some(start) = text.find(" at /") {
        let Some(line) = text[start..].find(".rs:") else {
            break;
        };
        let number = start + line + ".rs:".len();
        let digits = text[number..].bytes().take_while(u8::is_ascii_digit);
        let mut end = number + digits.count();
        end += usize::from(text[end..].starts_with('.'));
        text.replace_range(start..end, "");
    }
    text
}

impl Link {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// What zenoh says, as when it cannot listen where it is to.
    pub fn open(config: zenoh::Config, realm: String, machine: Machine) -> Result<Self> {
        let session = zenoh::open(config).wait().map_err(words)?;
        Ok(Self {
            session,
            realm,
            machine,
        })
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// This machine, as others see it.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn key(&self, channel: &str, leaf: &str) -> String {
        format!("{ROOT}/{}/{channel}/{leaf}", self.realm)
    }

    /// Where to send frames of `channel`.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn speaker(&self, channel: &str, way: Way) -> Result<Speaker> {
        let publisher = self
            .session
            .declare_publisher(self.key(channel, way.leaf()))
            .congestion_control(match way {
                Way::Down | Way::Calls => CongestionControl::Block,
                // Answers are repeated, and must never hold up what is heard.
                Way::Up => CongestionControl::Drop,
            })
            .allowed_destination(Locality::Remote)
            .wait();
        publisher.map(Speaker).map_err(words)
    }

    /// Has `hear` called with each frame of `channel`, from a thread of zenoh's.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn listen(
        &self,
        channel: &str,
        way: Way,
        hear: impl Fn(ZBytes) + Send + Sync + 'static,
    ) -> Result<Listener> {
        let subscriber = self
            .session
            .declare_subscriber(self.key(channel, way.leaf()))
            .allowed_origin(Locality::Remote)
            .callback(move |sample| hear(sample.payload().clone()))
            .wait();
        let subscriber = subscriber.map_err(words)?;
        Ok(Listener {
            _subscriber: subscriber,
        })
    }

    /// Has `hear` called with each frame of the channels whose names are a pattern of zenoh's, and with the name.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn overhear(
        &self,
        channels: &str,
        way: Way,
        hear: impl Fn(&str, ZBytes) + Send + Sync + 'static,
    ) -> Result<Listener> {
        let subscriber = self
            .session
            .declare_subscriber(self.key(channels, way.leaf()))
            .allowed_origin(Locality::Remote)
            .callback(move |sample| {
                if let Some(channel) = sample.key_expr().as_str().split('/').nth(2) {
                    hear(channel, sample.payload().clone());
                }
            })
            .wait();
        let subscriber = subscriber.map_err(words)?;
        Ok(Listener {
            _subscriber: subscriber,
        })
    }

    /// Says that `channel` is exported here.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn announce(&self, channel: &str, kind: Kind) -> Result<Token> {
        let token = self
            .session
            .liveliness()
            .declare_token(self.key(channel, kind.leaf()))
            .wait();
        let token = token.map_err(words)?;
        Ok(Token { _token: token })
    }

    /// Has `hear` called with the name of each channel of this kind that is exported somewhere in the realm, and with `true`; with
    /// `false` when it no longer is, or cannot be reached. `channels` is a pattern of zenoh's.
    ///
    /// # Errors
    ///
    /// What zenoh says.
    pub fn watch(
        &self,
        channels: &str,
        kind: Kind,
        hear: impl Fn(&str, bool) + Send + Sync + 'static,
    ) -> Result<Listener> {
        let subscriber = self
            .session
            .liveliness()
            .declare_subscriber(self.key(channels, kind.leaf()))
            .history(true)
            .callback(move |sample| {
                if let Some(channel) = sample.key_expr().as_str().split('/').nth(2) {
                    hear(channel, sample.kind() == SampleKind::Put);
                }
            })
            .wait();
        let subscriber = subscriber.map_err(words)?;
        Ok(Listener {
            _subscriber: subscriber,
        })
    }

    /// How many other bridges it is linked with now.
    #[must_use]
    pub fn peers(&self) -> usize {
        let info = self.session.info();
        info.peers_zid().wait().count() + info.routers_zid().wait().count()
    }

    /// The realms in which something is exported by who can be reached.
    #[must_use]
    pub fn realms(&self) -> Vec<String> {
        let query = format!("{ROOT}/*/*/*");
        let Ok(replies) = self.session.liveliness().get(query).wait() else {
            return vec![];
        };
        let mut realms = vec![];
        while let Ok(reply) = replies.recv() {
            let key = reply
                .result()
                .ok()
                .map(|sample| sample.key_expr().as_str().to_owned());
            realms.extend(
                key.as_deref()
                    .and_then(|key| key.split('/').nth(1))
                    .map(str::to_owned),
            );
        }
        realms.sort_unstable();
        realms.dedup();
        realms
    }

    /// Closes it.
    pub fn close(&self) {
        // It goes with the process anyway.
        let _ = self.session.close().wait();
    }
}

impl Kind {
    fn leaf(self) -> &'static str {
        match self {
            Self::Stream => "exported",
            Self::Inbox => "inbox",
            Self::Service => "service",
        }
    }
}

impl Way {
    fn leaf(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Calls => "calls",
        }
    }
}

impl Speaker {
    /// Sends a frame to whoever can be reached, or to nobody.
    pub fn say(&self, frame: Vec<u8>) {
        // It fails where the session is closed alone, and then this is over.
        let _ = self.0.put(frame).wait();
    }
}

#[cfg(test)]
mod tests {
    use super::without_places;

    #[test]
    fn errors_do_not_name_places_in_a_source() {
        let said = "no listener: [127.0.0.1:7447: in use (os error 98) at /a/b-1.2/src/tcp.rs:61.] at /a/tcp/unicast.rs:372.";
        let wanted = "no listener: [127.0.0.1:7447: in use (os error 98)]";
        assert_eq!(without_places(said.into()), wanted);
        assert_eq!(
            without_places("look at /etc/kren".into()),
            "look at /etc/kren"
        );
    }
}
