//! The body of `/run`.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use crate::environment::{Environment, variable_text};

/// One activation as `/run` describes it.
#[derive(Debug)]
pub(crate) struct Activation<'a> {
    members: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

impl<'a> Activation<'a> {
    /// # Errors
    /// The body is no JSON object.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        Ok(Self { members: serde_json::from_slice(body)? })
    }

    /// The arguments as one line of JSON, an empty object when there are none; `None` if they are neither object nor
    /// array.
    pub(crate) fn value_line(&self) -> Option<Vec<u8>> {
        let json = self.members.get("value").map_or("{}", |value| value.get());
        json.starts_with(['{', '[']).then(|| {
            let mut line = Vec::new();
            append_as_line(json.as_bytes(), &mut line);
            line
        })
    }

    /// Sets `__OW_<NAME>` for each member but the value. What `/init` said about the cache goes: it is about the
    /// activation that the container was made for.
    pub(crate) fn export(&self, environment: &mut Environment) {
        for name in ["__OW_CACHE_URL", "__OW_CACHE_TOKEN", "__OW_CACHE_ERROR"] {
            environment.remove(name);
        }
        for (name, value) in &self.members {
            if name != "value" {
                environment.set(format!("__OW_{}", name.to_uppercase()), variable_text(value));
            }
        }
    }
}

/// Appends JSON text without its line breaks, which can only be white space between its tokens.
pub(crate) fn append_as_line(json: &[u8], line: &mut Vec<u8>) {
    let start = line.len();
    line.extend_from_slice(json);
    if memchr::memchr2(b'\n', b'\r', json).is_some() {
        for byte in &mut line[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_one_line() {
        let activation = Activation::parse(b"{\"value\":{\"a\":\r\n1,\"s\":\"x\\ny\"}}").unwrap();
        assert_eq!(activation.value_line().unwrap(), b"{\"a\":  1,\"s\":\"x\\ny\"}");
        assert_eq!(Activation::parse(b"{}").unwrap().value_line().unwrap(), b"{}");
        assert_eq!(Activation::parse(b"{\"value\":[1]}").unwrap().value_line().unwrap(), b"[1]");
        assert_eq!(Activation::parse(b"{\"value\":\"text\"}").unwrap().value_line(), None);
    }

    #[test]
    fn members_become_variables() {
        let activation =
            Activation::parse(b"{\"value\":{},\"action_name\":\"/g/a\",\"deadline\":12}").unwrap();
        let mut environment = Environment::default();
        activation.export(&mut environment);
        let strings = environment.to_c_strings().unwrap();
        assert_eq!(strings, [c"__OW_ACTION_NAME=/g/a".to_owned(), c"__OW_DEADLINE=12".to_owned()]);
    }

    #[test]
    fn the_cache_of_init_is_not_that_of_a_run() {
        let mut environment = Environment::default();
        for name in ["__OW_CACHE_URL", "__OW_CACHE_TOKEN", "__OW_CACHE_ERROR", "KEPT"] {
            environment.set(name, "init");
        }
        Activation::parse(b"{\"value\":{},\"cache_token\":\"t\"}").unwrap().export(&mut environment);
        assert_eq!(
            environment.to_c_strings().unwrap(),
            [c"KEPT=init".to_owned(), c"__OW_CACHE_TOKEN=t".to_owned()]
        );
    }

    #[test]
    fn only_objects_are_activations() {
        for body in ["", "[]", "1", "{", "null"] {
            assert!(Activation::parse(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
