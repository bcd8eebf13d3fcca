//! Reading typed values out of the merged layers.

mod lists;

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use crate::dump::Dump;
use crate::fault::{Fault, Faults, Origin};
use crate::layers::{Entry, RawValue};
use crate::setting::Setting;
use crate::{names, openwhisk, suggest};

/// The merged layers while a service reads its keys.
#[derive(Debug)]
pub struct Settings {
    /// What nobody has read yet.
    unread: BTreeMap<String, Entry>,
    /// Where the values that were read came from; absent for defaults.
    origins: BTreeMap<String, Origin>,
    keys: BTreeSet<String>,
    dump: Dump,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

/// What remains to be told after a configuration was read without a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub dump: Dump,
    /// One line each: settings that were accepted and have no effect.
    pub warnings: Vec<String>,
}

impl Settings {
    pub(crate) fn new(unread: BTreeMap<String, Entry>, faults: Vec<Fault>, warnings: Vec<String>) -> Self {
        Self {
            unread,
            origins: BTreeMap::new(),
            keys: BTreeSet::new(),
            dump: Dump::default(),
            faults,
            warnings,
        }
    }

    /// The value of `key`, else `default`; also `default` when the value is at fault, which
    /// [`Settings::finish`] then reports.
    pub fn value<T: Setting>(&mut self, key: &str, default: T) -> T {
        let value = self.read(key).unwrap_or(default);
        self.dump.add(key, Some(value.literal()), self.origin(key));
        value
    }

    /// The value of a key that has no default.
    pub fn optional<T: Setting>(&mut self, key: &str) -> Option<T> {
        let value: Option<T> = self.read(key);
        self.dump.add(key, value.as_ref().map(Setting::literal), self.origin(key));
        value
    }

    /// The value of a key that has no default and is never shown.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        let text: Option<String> = self.read(key);
        match &text {
            Some(_) => self.dump.add_secret(key, self.origin(key)),
            None => self.dump.add(key, None, Origin::Default),
        }
        text.map(SecretString::from)
    }

    /// Every member of an open table of secrets, by its name within the table. The values are never shown.
    pub fn secret_table(&mut self, table: &str) -> BTreeMap<String, SecretString> {
        let prefix = format!("{table}.");
        let members: Vec<String> =
            self.unread.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        let mut secrets = BTreeMap::new();
        for key in members {
            if let Some(text) = self.read::<String>(&key) {
                self.dump.add_secret(&key, self.origin(&key));
                secrets.insert(key[prefix.len()..].to_owned(), SecretString::from(text));
            }
        }
        secrets
    }

    /// Shows in the dump a secret that is built in.
    pub fn show_default_secret(&mut self, key: &str) {
        self.dump.add_secret(key, Origin::Default);
    }

    /// Where the value of a key that was read came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Reports `message` about the value of `key`: for what only becomes visible after reading, such as a file that
    /// a setting names or two settings that do not go together.
    pub fn fault(&mut self, key: &str, message: impl Into<String>) {
        let fault = fault_of(self.origin(key), key, message.into());
        self.faults.push(fault);
    }

    /// Adds a line that does not stop the start.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    /// Ends reading: whatever nobody read is an unknown key, unless OpenWhisk knows it.
    ///
    /// # Errors
    /// Every fault there is, in the order they were found, unknown keys last.
    pub fn finish(self) -> Result<Loaded, Faults> {
        self.finish_with(Some(())).map(|((), loaded)| loaded)
    }

    /// [`Settings::finish`] for a reader that gives `None` after a fault.
    ///
    /// # Errors
    /// As [`Settings::finish`]; also when `value` is `None` though no fault was reported, the reader's mistake.
    pub fn finish_with<T>(mut self, value: Option<T>) -> Result<(T, Loaded), Faults> {
        self.report_unread();
        match value {
            Some(value) if self.faults.is_empty() => {
                self.dump.sort();
                Ok((value, Loaded { dump: self.dump, warnings: self.warnings }))
            }
            None if self.faults.is_empty() => {
                let fault = Fault::of_place(Origin::Default, "the configuration is incomplete");
                Err(Faults::of(vec![fault]))
            }
            _ => Err(Faults::of(self.faults)),
        }
    }

    fn report_unread(&mut self) {
        for (key, entry) in std::mem::take(&mut self.unread) {
            if openwhisk::knows(&key) {
                self.warnings.push(format!("{} has no effect here: it is OpenWhisk's", place_of(&entry)));
            } else {
                self.faults.push(self.unknown(&key, entry));
            }
        }
    }

    fn read<T: Setting>(&mut self, key: &str) -> Option<T> {
        self.keys.insert(key.to_owned());
        let entry = self.unread.remove(key)?;
        self.origins.insert(key.to_owned(), entry.origin.clone());
        let read = match &entry.value {
            RawValue::Text(text) => T::read(text),
            RawValue::List(_) => Err("is a list where one value is expected".to_owned()),
        };
        match read {
            Ok(value) => Some(value),
            Err(message) => {
                self.faults.push(fault_of(entry.origin, &entry.written, message));
                None
            }
        }
    }

    fn unknown(&self, key: &str, entry: Entry) -> Fault {
        let known = self.keys.iter().map(String::as_str).chain(openwhisk::KNOWN_KEYS.iter().copied());
        let closest = suggest::closest(key, known);
        match entry.origin {
            Origin::Environment(_) => {
                let hint = closest.map_or_else(String::new, |known| {
                    format!(", did you mean {}?", names::variable_of_key(known))
                });
                Fault::of_place(entry.origin, format!("unknown variable{hint}"))
            }
            origin => {
                let hint = closest.map_or_else(String::new, |known| format!(", did you mean {known}?"));
                Fault::of_place(origin, format!("unknown key {}{hint}", entry.written))
            }
        }
    }
}

/// A variable or a flag holds one value, so naming it says everything; a file needs the key as well.
fn fault_of(origin: Origin, written: &str, message: String) -> Fault {
    match origin {
        Origin::File(_) | Origin::Default => Fault::of_key(origin, written, message),
        Origin::Environment(_) | Origin::Flag(_) => Fault::of_place(origin, message),
    }
}

fn place_of(entry: &Entry) -> String {
    match &entry.origin {
        Origin::File(_) => format!("{} of {}", entry.written, entry.origin),
        origin => origin.to_string(),
    }
}
