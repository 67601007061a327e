//! Arguments of the form `--name value` and `--name`, and words without dashes.

use std::collections::HashMap;
use std::str::FromStr;

/// What was given on the command line, after the command's own name.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    words: Vec<String>,
    values: HashMap<String, String>,
    switches: Vec<String>,
}

impl Flags {
    /// `with_value` names the flags that take one.
    pub(crate) fn parse(arguments: &[String], with_value: &[&str]) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(name) = argument.strip_prefix("--") else {
                flags.words.push(argument.clone());
                continue;
            };
            if with_value.contains(&name) {
                let value = rest.next().ok_or(format!("--{name} needs a value"))?;
                flags.values.insert(name.to_owned(), value.clone());
            } else {
                flags.switches.push(name.to_owned());
            }
        }
        Ok(flags)
    }

    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    pub(crate) fn has(&self, switch: &str) -> bool {
        self.switches.iter().any(|given| given == switch)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        self.text(name).map_or(Ok(default), |text| {
            text.parse()
                .map_err(|_| format!("--{name} needs a number, not '{text}'"))
        })
    }

    /// Refuses switches that no command knows, so that a misspelt one is not passed over.
    pub(crate) fn allow(&self, switches: &[&str]) -> Result<(), String> {
        match self
            .switches
            .iter()
            .find(|given| !switches.contains(&given.as_str()))
        {
            Some(unknown) => Err(format!("--{unknown} is not known here")),
            None => Ok(()),
        }
    }
}
