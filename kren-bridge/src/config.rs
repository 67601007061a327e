//! What a bridge is to do: from a file, and from the command line, which has the last word.

use crate::mirror::OnGap;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where an exporting bridge listens, and an importing one connects to, unless told otherwise: this machine alone.
pub const LOOPBACK: &str = "tcp/127.0.0.1:7447";

/// All of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Bridges of one realm find each other.
    pub realm: Option<String>,
    /// The name that this machine goes by.
    pub machine: Option<String>,
    /// Names, or patterns, of what is carried from here.
    pub export: Vec<String>,
    /// Names, or patterns, of what is carried to here.
    pub import: Vec<String>,
    /// Where to listen: `tcp/ADDRESS:PORT` or `tls/ADDRESS:PORT`.
    pub listen: Vec<String>,
    /// Where to connect to.
    pub connect: Vec<String>,
    /// What to do where messages are missing.
    pub on_gap: Option<OnGap>,
    /// Where the status is kept.
    pub state: Option<PathBuf>,
    /// Certificates.
    pub tls: Tls,
    /// Who may connect.
    pub auth: Auth,
    /// A file of zenoh's own configuration (JSON5), over which all else is laid.
    pub zenoh: Option<PathBuf>,
}

/// Certificates, in PEM files.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Of the authority that the other side's certificate is from.
    pub ca: Option<PathBuf>,
    /// This side's own.
    pub certificate: Option<PathBuf>,
    /// The key to it.
    pub key: Option<PathBuf>,
    /// Each side asks the other for a certificate.
    pub mutual: bool,
}

/// Who may connect, and as whom this side does.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// As whom this side connects.
    pub user: Option<String>,
    /// With what.
    pub password: Option<String>,
    /// A file of lines `user:password`: who may connect to this side.
    pub users: Option<PathBuf>,
}

impl Config {
    /// What the file at `path` says.
    ///
    /// # Errors
    ///
    /// A sentence, if it cannot be read or says what is not understood.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The realm's name.
    ///
    /// # Errors
    ///
    /// A sentence, if it is none.
    pub fn realm(&self) -> Result<String, String> {
        let realm = self.realm.as_deref().unwrap_or("default");
        match crate::pattern::is_name(realm) {
            true => Ok(realm.to_owned()),
            false => Err(format!(
                "'{realm}' is not a realm's name: 1 to 128 of the characters a-z A-Z 0-9 . _ -"
            )),
        }
    }

    /// Adds where to listen, or to connect to, where nothing is said.
    ///
    /// # Errors
    ///
    /// A sentence, if there is nothing to do.
    pub fn complete(&mut self) -> Result<(), String> {
        if self.export.is_empty() && self.import.is_empty() {
            return Err("nothing is to be carried: name what to export, or to import".into());
        }
        for pattern in self.export.iter().chain(&self.import) {
            if !crate::pattern::is_name(&pattern.replace('*', "x")) {
                return Err(format!(
                    "'{pattern}' is neither a channel's name nor a pattern of such: characters a-z A-Z 0-9 . _ - and *"
                ));
            }
        }
        if self.listen.is_empty() && self.connect.is_empty() && self.zenoh.is_none() {
            match self.export.is_empty() {
                true => self.connect.push(LOOPBACK.into()),
                false => self.listen.push(LOOPBACK.into()),
            }
        }
        Ok(())
    }

    /// Whether others than this machine can come in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let is_loopback = |endpoint: &String| {
            ["/127.", "/localhost:", "/[::1]:"]
                .iter()
                .any(|host| endpoint.contains(host))
        };
        !self.listen.iter().all(is_loopback)
    }

    /// zenoh's own, with nothing that finds, or is found, by itself.
    ///
    /// # Errors
    ///
    /// A sentence, if zenoh does not take it.
    pub fn for_zenoh(&self) -> Result<zenoh::Config, String> {
        let mut config = match &self.zenoh {
            Some(path) => zenoh::Config::from_file(path)
                .map_err(|error| format!("{}: {error}", path.display()))?,
            None => zenoh::Config::default(),
        };
        let mut set = |key: &str, value: serde_json::Value| {
            let set = config.insert_json5(key, &value.to_string());
            set.map_err(|error| format!("zenoh does not take {key} = {value}: {error}"))
        };
        if self.zenoh.is_none() {
            set("mode", "peer".into())?;
            // So many batches are filled before who fills them has to wait for the one that goes out: a tenth more goes through.
            set("transport/link/tx/queue/size/data", 16.into())?;
        }
        for (key, endpoints) in [
            ("listen/endpoints", &self.listen),
            ("connect/endpoints", &self.connect),
        ] {
            // What a file of zenoh's says stays where nothing else is said.
            if self.zenoh.is_none() || !endpoints.is_empty() {
                set(key, endpoints.clone().into())?;
            }
        }
        set("scouting/multicast/enabled", false.into())?;
        set("scouting/gossip/enabled", false.into())?;
        // A link that is cut comes back in a moment.
        set(
            "connect/retry",
            serde_json::json!({"period_init_ms": 200, "period_max_ms": 2000, "period_increase_factor": 1.5}),
        )?;
        let mut file = |key: &str, path: &Option<PathBuf>| match path {
            Some(path) => set(key, path.to_string_lossy().into()),
            None => Ok(()),
        };
        let Tls {
            ca,
            certificate,
            key,
            mutual,
        } = &self.tls;
        file("transport/link/tls/root_ca_certificate", ca)?;
        file("transport/link/tls/listen_certificate", certificate)?;
        file("transport/link/tls/listen_private_key", key)?;
        if *mutual {
            file("transport/link/tls/connect_certificate", certificate)?;
            file("transport/link/tls/connect_private_key", key)?;
        }
        file("transport/auth/usrpwd/dictionary_file", &self.auth.users)?;
        if *mutual {
            set("transport/link/tls/enable_mtls", true.into())?;
        }
        if let Some(user) = &self.auth.user {
            set("transport/auth/usrpwd/user", user.as_str().into())?;
            set(
                "transport/auth/usrpwd/password",
                self.auth.password.as_deref().unwrap_or_default().into(),
            )?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_unless_told_otherwise() {
        let mut config = Config {
            export: vec!["ticks".into()],
            ..Config::default()
        };
        config.complete().unwrap();
        assert_eq!(config.listen, [LOOPBACK]);
        assert!(!config.is_open());
        config.listen = vec!["tcp/0.0.0.0:7447".into()];
        assert!(config.is_open());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(toml::from_str::<Config>("exprot = ['ticks']").is_err());
        assert!(Config::default().complete().is_err());
        let config = Config {
            import: vec!["a/b".into()],
            ..Config::default()
        };
        assert!(config.clone().complete().unwrap_err().contains("a/b"));
        let config = Config {
            realm: Some("a/*".into()),
            ..config
        };
        assert!(config.realm().is_err());
    }

    #[test]
    fn all_that_a_file_can_say() {
        let text = r#"
            realm = "plant"
            machine = "hall-3"
            export = ["sensor.*"]
            import = ["orders"]
            listen = ["tls/0.0.0.0:7447"]
            connect = ["tls/10.0.0.2:7447"]
            on_gap = "continue"
            state = "/run/kren-bridge"
            [tls]
            ca = "ca.pem"
            certificate = "me.pem"
            key = "me.key"
            mutual = true
            [auth]
            user = "a"
            password = "b"
            users = "users"
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.on_gap, Some(OnGap::Continue));
        let zenoh = config.for_zenoh().unwrap();
        assert_eq!(
            zenoh.get_json("scouting/multicast/enabled").unwrap(),
            "false"
        );
        assert!(
            zenoh
                .get_json("transport/link/tls")
                .unwrap()
                .contains("me.key")
        );
    }
}
