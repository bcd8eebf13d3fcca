//! Parameters and annotations: named JSON values.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Map, Value, json};

use crate::Malformed;

/// One named value of an action, a package or an activation record.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub key: String,
    pub value: Value,
    /// Handed to the container at `/init` as an environment variable instead of as an argument.
    pub init: bool,
    /// Key id under which `value` is encrypted, when it is.
    pub encryption: Option<String>,
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
    pub fn from_json(value: &Value) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("parameters malformed!");
        let read = |element: &Value| element.as_object().and_then(read_parameter).ok_or_else(malformed);
        let list: Vec<Parameter> =
            value.as_array().ok_or_else(malformed)?.iter().map(read).collect::<Result<_, _>>()?;
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
    pub fn to_json(&self) -> Value {
        Value::Array(self.0.iter().map(write_parameter).collect())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.0.iter()
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|parameter| parameter.key == key).map(|parameter| &parameter.value)
    }

    pub fn put(&mut self, parameter: Parameter) {
        match self.0.iter_mut().find(|old| old.key == parameter.key) {
            Some(old) => *old = parameter,
            None => self.0.push(parameter),
        }
    }

    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.put(Parameter { key: key.into(), value: value.into(), init: false, encryption: None });
    }

    pub fn remove(&mut self, key: &str) {
        self.0.retain(|parameter| parameter.key != key);
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
        if self.0.is_empty() { 0 } else { serde_json::to_string(self).map_or(0, |text| text.len() as u64) }
    }

    /// `key` is present and neither `false`, `0`, `""` nor `null`; `default` when absent.
    #[must_use]
    pub fn is_truthy(&self, key: &str, default: bool) -> bool {
        match self.get(key) {
            None => default,
            Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(_) | Value::Object(_)) => true,
        }
    }

    /// `key` is present and exactly `true`.
    #[must_use]
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some(&Value::Bool(true))
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

fn read_parameter(element: &Map<String, Value>) -> Option<Parameter> {
    let key = element.get("key")?.as_str().filter(|key| !key.trim().is_empty())?;
    let init = match element.get("init") {
        None | Some(Value::Null) => false,
        Some(flag) => flag.as_bool()?,
    };
    let encryption = match element.get("encryption") {
        None | Some(Value::Null) => None,
        Some(id) => Some(id.as_str()?.to_owned()),
    };
    Some(Parameter { key: key.to_owned(), value: element.get("value")?.clone(), init, encryption })
}

fn write_parameter(parameter: &Parameter) -> Value {
    let mut element = json!({"key": parameter.key, "value": parameter.value});
    if parameter.init {
        element["init"] = true.into();
    }
    if let Some(id) = &parameter.encryption {
        element["encryption"] = id.as_str().into();
    }
    element
}

/// A parameter as an environment variable holds it: strings as they are, `null` as nothing, the rest as compact JSON.
#[must_use]
pub fn environment_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_collapse_and_the_last_wins() {
        let read = Parameters::from_json(&json!([
            {"key": "a", "value": 1}, {"key": "b", "value": null, "init": true}, {"key": "a", "value": 2}
        ]));
        let read = read.unwrap();
        assert_eq!(read.get("a"), Some(&json!(2)));
        let expected = json!([{"key": "a", "value": 2}, {"key": "b", "value": null, "init": true}]);
        assert_eq!(read.to_json(), expected);
        assert_eq!(serde_json::to_value(&read).unwrap(), expected);
    }

    #[test]
    fn every_element_needs_a_key_and_a_value() {
        for bad in [
            json!({}),
            json!([1]),
            json!([{"key": "a"}]),
            json!([{"value": 1}]),
            json!([{"key": " ", "value": 1}]),
            json!([{"key": "a", "value": 1, "init": "yes"}]),
        ] {
            assert_eq!(Parameters::from_json(&bad), Err(Malformed::new("parameters malformed!")), "{bad}");
        }
    }

    #[test]
    fn truthiness_is_that_of_annotations() {
        let annotations = Parameters::from_json(&json!([
            {"key": "t", "value": {}}, {"key": "f", "value": ""}, {"key": "z", "value": 0}, {"key": "n", "value": null}
        ]))
        .unwrap();
        assert!(annotations.is_truthy("t", false) && annotations.is_truthy("absent", true));
        for falsy in ["f", "z", "n"] {
            assert!(!annotations.is_truthy(falsy, true), "{falsy}");
        }
    }
}
