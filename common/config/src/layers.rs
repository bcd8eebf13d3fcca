//! The layers of a configuration, merged key by key as they are added: a later layer wins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use config::{FileFormat, FileSourceString, Source, Value, ValueKind};

use crate::fault::{Fault, Origin};
use crate::settings::Settings;
use crate::{names, openwhisk, suggest};

/// One value as a layer gave it, before anybody knows its type.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: RawValue,
    pub(crate) origin: Origin,
    /// The key as it was written; a fault shows what its author will search for.
    pub(crate) written: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawValue {
    Text(String),
    /// Of plain values; `None` if there is a list or a table among them.
    List(Option<Vec<String>>),
}

/// Collects layers; add them from the lowest to the highest.
#[derive(Debug, Default)]
pub struct Layers {
    open_tables: &'static [&'static str],
    /// Of this service alone.
    variables: &'static [(&'static str, &'static str)],
    entries: BTreeMap<String, Entry>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Layers {
    /// `open_tables` are tables whose members a user names (`whisk.users`); their names are taken as written, while
    /// all other keys may be spelt in kebab case or in camel case.
    #[must_use]
    pub fn new(open_tables: &'static [&'static str]) -> Self {
        Self { open_tables, ..Self::default() }
    }

    /// Flat variables and the keys they set, beside those that every service has: names such as `PORT` are for services
    /// in containers of their own only.
    #[must_use]
    pub fn with_variables(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }

    /// Adds a file; its extension tells the format: `.toml`, `.yaml`, `.yml` or `.json`.
    pub fn add_file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.add_file_text(path, &text),
            Err(error) => self.fault(Origin::File(path.to_owned()), format!("cannot be read: {error}")),
        }
    }

    /// Adds the content of a file; `path` is for its format and for messages.
    pub fn add_file_text(&mut self, path: &Path, text: &str) {
        let origin = Origin::File(path.to_owned());
        let Some(format) = file_format(path) else {
            self.fault(origin, "has no known format: the name must end in .toml, .yaml, .yml or .json");
            return;
        };
        let source: config::File<FileSourceString, _> = config::File::from_str(text, format);
        match source.collect() {
            Ok(table) => {
                let mut layer = BTreeMap::new();
                for (name, value) in table {
                    self.flatten(&mut layer, name, value, &origin);
                }
                self.entries.append(&mut layer);
            }
            Err(error) => self.fault(origin, format!("cannot be read: {error}")),
        }
    }

    /// Adds the variables that name settings: `CONFIG_whisk_*`, `CONFIG_oxwhisk_*` and OpenWhisk's older flat ones.
    /// All other variables are somebody else's and ignored, and so are empty ones, as in OpenWhisk.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut layer = BTreeMap::new();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            if value.is_empty() {
                continue;
            }
            let Some(key) = self.key_of_variable(&name) else { continue };
            let origin = Origin::Environment(name.clone());
            match value.into_string() {
                Ok(text) => self.add_once(&mut layer, key, name, RawValue::Text(text), &origin),
                Err(_) => self.fault(origin, "is not valid UTF-8"),
            }
        }
        self.entries.append(&mut layer);
    }

    /// Adds the value of one flag, for example `("--port", "oxwhisk.port", "3233")`.
    pub fn add_flag(&mut self, flag: &'static str, key: &str, value: String) {
        let entry =
            Entry { value: RawValue::Text(value), origin: Origin::Flag(flag), written: flag.to_owned() };
        self.entries.insert(key.to_owned(), entry);
    }

    /// Ends the collection; what was wrong with the layers themselves comes out of [`Settings::finish`].
    #[must_use]
    pub fn into_settings(self) -> Settings {
        Settings::new(self.entries, self.faults, self.warnings)
    }

    fn fault(&mut self, origin: Origin, message: impl Into<String>) {
        self.faults.push(Fault::of_place(origin, message));
    }

    fn key_of_variable(&mut self, name: &str) -> Option<String> {
        let own = self.variables.iter().find(|(variable, _)| *variable == name).map(|(_, key)| *key);
        if let Some(key) = own.or_else(|| openwhisk::key_of_legacy(name)) {
            return Some(key.to_owned());
        }
        if openwhisk::LEGACY_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            let known = openwhisk::LEGACY_VARIABLES.iter().map(|(variable, _)| *variable);
            let hint = suggest::closest(name, known)
                .map_or_else(String::new, |known| format!(", did you mean {known}?"));
            self.fault(Origin::Environment(name.to_owned()), format!("unknown variable{hint}"));
            return None;
        }
        let key = names::key_of_variable(name)?;
        let root = key.split('.').next().unwrap_or_default();
        if openwhisk::LIBRARY_ROOTS.contains(&root) {
            self.warnings.push(format!(
                "environment variable {name} sets up a library that is not used here: it has no effect"
            ));
            return None;
        }
        ["whisk", "oxwhisk"].contains(&root).then_some(key)
    }

    /// Turns nested tables into dotted keys.
    fn flatten(&mut self, layer: &mut BTreeMap<String, Entry>, path: String, value: Value, origin: &Origin) {
        let value = match value.kind {
            ValueKind::Table(table) => {
                for (name, value) in table {
                    self.flatten(layer, format!("{path}.{name}"), value, origin);
                }
                return;
            }
            // An empty value, as in YAML's `key:`, says nothing.
            ValueKind::Nil => return,
            ValueKind::Array(items) => RawValue::List(items.into_iter().map(plain).collect()),
            scalar => RawValue::Text(scalar.to_string()),
        };
        let key = self.canonical(&path);
        self.add_once(layer, key, path, value, origin);
    }

    fn canonical(&self, path: &str) -> String {
        let is_open = self
            .open_tables
            .iter()
            .any(|table| path.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')));
        if is_open { path.to_owned() } else { names::normalized(path) }
    }

    /// Within one layer nothing says which of two values should win.
    fn add_once(
        &mut self,
        layer: &mut BTreeMap<String, Entry>,
        key: String,
        written: String,
        value: RawValue,
        origin: &Origin,
    ) {
        match layer.get(&key) {
            Some(first) if first.value != value => {
                let message = format!("sets the same as {}, to another value", first.written);
                self.faults.push(match origin {
                    Origin::File(_) => Fault::of_key(origin.clone(), written, message),
                    _ => Fault::of_place(origin.clone(), message),
                });
            }
            _ => {
                layer.insert(key, Entry { value, origin: origin.clone(), written });
            }
        }
    }
}

fn plain(value: Value) -> Option<String> {
    match value.kind {
        ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil => None,
        scalar => Some(scalar.to_string()),
    }
}

fn file_format(path: &Path) -> Option<FileFormat> {
    match path.extension()?.to_str()? {
        "toml" => Some(FileFormat::Toml),
        "yaml" | "yml" => Some(FileFormat::Yaml),
        "json" => Some(FileFormat::Json),
        _ => None,
    }
}
