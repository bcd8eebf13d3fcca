//! Parameters and annotations: named JSON values.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::value::RawValue;

use crate::Malformed;
use crate::json::{self, Members};

/// One named value of an action, a package or an activation record.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub key: String,
    /// As its owner wrote it, but for white space between its parts: no digit and no escape is lost.
    pub value: Box<RawValue>,
    /// Handed to the container at `/init` as an environment variable instead of as an argument.
    pub init: bool,
    /// Key id under which `value` is encrypted, when it is.
    pub encryption: Option<String>,
}

/// Values are compared as they are written.
impl PartialEq for Parameter {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.value.get() == other.value.get()
            && self.init == other.init
            && self.encryption == other.encryption
    }
}

/// A list of parameters or annotations with unique keys. Order is kept and means nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `[{"key": .., "value": .., "init"?: .., "encryption"?: ..}]`. Of equal keys the last wins.
    ///
    /// # Errors
    /// When the value is no array, or an element lacks a non-blank string `key` or any `value`.
    pub fn from_json(value: &RawValue) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("parameters malformed!");
        let elements: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| malformed())?;
        let read = |element: &&RawValue| {
            Members::read(element).ok().as_ref().and_then(read_parameter).ok_or_else(malformed)
        };
        let list: Vec<Parameter> = elements.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self::last_wins(list))
    }

    /// Linear in the number of parameters: a client may send tens of thousands within the size limit.
    fn last_wins(list: Vec<Parameter>) -> Self {
        let mut place: HashMap<String, usize> = HashMap::with_capacity(list.len());
        let mut unique: Vec<Parameter> = Vec::with_capacity(list.len());
        for parameter in list {
            match place.entry(parameter.key.clone()) {
                Entry::Occupied(taken) => unique[*taken.get()] = parameter,
                Entry::Vacant(free) => {
                    free.insert(unique.len());
                    unique.push(parameter);
                }
            }
        }
        Self(unique)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.0.iter()
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|parameter| parameter.key == key).map(|parameter| &*parameter.value)
    }

    /// The value of `key`, where it is a string.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<Cow<'_, str>> {
        json::string(self.get(key)?)
    }

    fn put(&mut self, parameter: Parameter) {
        match self.0.iter_mut().find(|old| old.key == parameter.key) {
            Some(old) => *old = parameter,
            None => self.0.push(parameter),
        }
    }

    /// `value` serialises without failing, as [`json::raw`] demands.
    pub fn set(&mut self, key: impl Into<String>, value: &(impl Serialize + ?Sized)) {
        self.put(Parameter { key: key.into(), value: json::raw(value), init: false, encryption: None });
    }

    /// Linear in the number of parameters and of `keys`, both of which a client chooses.
    pub fn remove_all(&mut self, keys: &[String]) {
        let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
        self.0.retain(|parameter| !keys.contains(parameter.key.as_str()));
    }

    /// These parameters with other values under the same keys.
    ///
    /// # Errors
    /// The first that `change` gives.
    pub fn try_map<E>(&self, change: impl Fn(&Parameter) -> Result<Parameter, E>) -> Result<Self, E> {
        self.0.iter().map(change).collect::<Result<_, _>>().map(Self::last_wins)
    }

    /// These parameters with `over` laid over them: a key of `over` wins.
    #[must_use]
    pub fn merged(&self, over: &Self) -> Self {
        if over.is_empty() {
            return self.clone();
        }
        Self::last_wins(self.0.iter().chain(&over.0).cloned().collect())
    }

    /// Size in bytes of the compact JSON form, which is what limits count.
    #[must_use]
    pub fn size(&self) -> u64 {
        if self.0.is_empty() { 0 } else { json::raw(self).get().len() as u64 }
    }

    /// `key` is present and neither `false`, `0`, `""` nor `null`; `default` when absent.
    #[must_use]
    pub fn is_truthy(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, json::is_truthy)
    }

    /// `key` is present and exactly `true`.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).and_then(json::boolean) == Some(true)
    }
}

impl<'a> IntoIterator for &'a Parameters {
    type Item = &'a Parameter;
    type IntoIter = std::slice::Iter<'a, Parameter>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

/// From JSON text only, as [`Parameters::from_json`].
impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(<&RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = 2 + usize::from(self.init) + usize::from(self.encryption.is_some());
        let mut element = serializer.serialize_struct("Parameter", members)?;
        element.serialize_field("key", &self.key)?;
        element.serialize_field("value", &self.value)?;
        if self.init {
            element.serialize_field("init", &true)?;
        }
        if let Some(id) = &self.encryption {
            element.serialize_field("encryption", id)?;
        }
        element.end()
    }
}

fn read_parameter(element: &Members<'_>) -> Option<Parameter> {
    let key = element.string("key").filter(|key| !key.trim().is_empty())?.into_owned();
    let init = match element.given("init") {
        None => false,
        Some(flag) => json::boolean(flag)?,
    };
    let encryption = match element.given("encryption") {
        None => None,
        Some(id) => Some(json::string(id)?.into_owned()),
    };
    Some(Parameter { key, value: json::compact(element.get("value")?), init, encryption })
}

/// A parameter as an environment variable holds it: strings as they are (half a surrogate pair, which UTF-8 cannot
/// hold, as replacement characters), `null` as nothing, the rest as compact JSON.
#[must_use]
pub fn environment_value(value: &RawValue) -> String {
    if value.get() == "null" {
        return String::new();
    }
    json::string_lossy(value).unwrap_or_else(|| json::compact(value).get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parameters, Malformed> {
        Parameters::from_json(serde_json::from_str(text).unwrap())
    }

    fn written(parameters: &Parameters) -> String {
        serde_json::to_string(parameters).unwrap()
    }

    #[test]
    fn duplicates_collapse_and_the_last_wins() {
        let read =
            read(r#"[{"key":"a","value":1},{"key":"b","value":null,"init":true},{"key":"a","value":2}]"#)
                .unwrap();
        assert_eq!(read.get("a").unwrap().get(), "2");
        assert_eq!(written(&read), r#"[{"key":"a","value":2},{"key":"b","value":null,"init":true}]"#);
    }

    #[test]
    fn every_element_needs_a_key_and_a_value() {
        for bad in [
            "{}",
            "[1]",
            r#"[{"key":"a"}]"#,
            r#"[{"value":1}]"#,
            r#"[{"key":" ","value":1}]"#,
            r#"[{"key":"\ud800","value":1}]"#,
            r#"[{"key":"a","value":1,"init":"yes"}]"#,
            r#"[{"key":"a","value":1,"encryption":1}]"#,
        ] {
            assert_eq!(read(bad), Err(Malformed::new("parameters malformed!")), "{bad}");
        }
    }

    #[test]
    fn truthiness_is_that_of_annotations() {
        let annotations = read(
            r#"[{"key":"t","value":{}},{"key":"f","value":""},{"key":"z","value":0},{"key":"n","value":null}]"#,
        )
        .unwrap();
        assert!(annotations.is_truthy("t", false) && annotations.is_truthy("absent", true));
        for falsy in ["f", "z", "n"] {
            assert!(!annotations.is_truthy(falsy, true), "{falsy}");
        }
    }

    #[test]
    fn values_stay_as_they_were_written() {
        let deep = format!("{}{}", "[".repeat(900), "]".repeat(900));
        for value in [
            "123456789012345678901234567890",
            "0.1000000000000000055511151231257827",
            "1e400",
            "-0",
            r#""\ud800\u00e9""#,
            r#"{"z":1,"a":{"y":2.50,"b":3}}"#,
            &deep,
        ] {
            let list = format!(r#"[{{"key":"k","value":{value}}}]"#);
            let parameters = read(&list).unwrap();
            assert_eq!(written(&parameters), list);
            let other =
                Parameters::new().merged(&parameters).merged(&read(r#"[{"key":"o","value":1}]"#).unwrap());
            assert_eq!(other.get("k").unwrap().get(), value);
            assert_eq!(serde_json::from_str::<Parameters>(&list).unwrap(), parameters);
        }
    }

    #[test]
    fn white_space_of_the_client_counts_for_nothing() {
        let spread = read("[ { \"key\" : \"k\" , \"value\" : { \"a\" : [ 1 , \" \" ] } } ]").unwrap();
        let dense = r#"[{"key":"k","value":{"a":[1," "]}}]"#;
        assert_eq!((spread.size(), written(&spread)), (dense.len() as u64, dense.to_owned()));
    }

    #[test]
    fn many_keys_are_removed_at_once() {
        let mut parameters = Parameters::new();
        ["a", "b", "c"].iter().for_each(|key| parameters.set(*key, "x"));
        parameters.remove_all(&["c".to_owned(), "absent".to_owned(), "a".to_owned()]);
        assert_eq!(parameters.iter().map(|parameter| parameter.key.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn environments_hold_texts() {
        for (value, text) in [
            ("null", ""),
            ("true", "true"),
            (r#""a\nb""#, "a\nb"),
            ("1E400", "1E400"),
            ("[ 1, \"x y\" ]", "[1,\"x y\"]"),
            (r#""\ud800""#, "\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            let raw: &RawValue = serde_json::from_str(value).unwrap();
            assert_eq!(environment_value(raw), text, "{value}");
        }
    }
}
