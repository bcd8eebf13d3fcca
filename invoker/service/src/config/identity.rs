//! Which invoker this is.

use oxwhisk_config::Settings;
use oxwhisk_core::id::InvokerId;

const ID: &str = "oxwhisk.invoker.id";
const NAME: &str = "oxwhisk.invoker.name";

/// Number and name of an invoker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number in the deployment: containers, certificate and tickets name it as `invoker<number>`.
    pub id: InvokerId,
    /// Its own name, for people; may be empty.
    pub name: String,
}

/// Reads them. Without a number, it is the one at the end of the name, as the pods of a stateful set are called.
pub(super) fn read(settings: &mut Settings) -> Option<Identity> {
    let name: String = settings.value(NAME, String::new());
    let id: Option<u32> = settings.optional(ID);
    let id = id.or_else(|| ordinal(&name));
    if id.is_none() {
        let text = "is not set: each invoker of a deployment has a number of its own (--id, INVOKER_ID), or a name that \
                    ends in one (--unique-name, INVOKER_NAME)";
        settings.fault(ID, text);
    }
    Some(Identity { id: InvokerId(id?), name })
}

/// The number at the end of a name, in one spelling.
fn ordinal(name: &str) -> Option<u32> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_ordinal_is_its_number() {
        let numbers =
            ["owdev-invoker-0", "invoker12", "7", "invoker", "", "invoker-01", "a99999999999"].map(ordinal);
        assert_eq!(numbers, [Some(0), Some(12), Some(7), None, None, None, None]);
    }
}
