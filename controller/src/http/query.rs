//! Query parameters: first value wins, unknown names are ignored.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::http::fault::Fault;

/// The query string of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(pub(crate) Option<&'a str>);

fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

impl<'a> Query<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    /// `true|yes|on|1` and `false|no|off|0` in any case; empty or absent is `default`.
    ///
    /// # Errors
    /// A malformed-query rejection for anything else.
    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool, Fault> {
        let Some(value) = self.get(name) else { return Ok(default) };
        match value.to_ascii_lowercase().as_str() {
            "" => Ok(default),
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(Fault::malformed_query(name, format!("'{value}' is not a valid Boolean value"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_wins_and_escapes_are_read() {
        let query = Query(Some("a=1&a=2&b=x%2Fy+z&flag"));
        assert_eq!(query.get("a").as_deref(), Some("1"));
        assert_eq!(query.get("b").as_deref(), Some("x/y z"));
        assert_eq!(query.get("flag").as_deref(), Some(""));
        assert_eq!(query.get("none"), None);
    }

    #[test]
    fn booleans_have_synonyms() {
        let query = Query(Some("a=YES&b=off&c=&d=maybe"));
        assert_eq!(query.boolean("a", false), Ok(true));
        assert_eq!(query.boolean("b", true), Ok(false));
        assert_eq!(query.boolean("c", true), Ok(true));
        assert_eq!(query.boolean("absent", false), Ok(false));
        let fault = query.boolean("d", false).unwrap_err();
        assert_eq!(
            fault.message,
            "The query parameter 'd' was malformed:\n'maybe' is not a valid Boolean value"
        );
    }
}
