//! `wskadmin user create`.

use oxwhisk_proto::admin;
use oxwhisk_proto::admin::v1::{self, ExistingKey, Reason};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::json;

use super::{Client, compact, failure};
use crate::arguments::UserCreate;
use crate::output::Output;
use crate::python;

/// Characters of a key, exactly: with longer ones nobody can log in.
const KEY_LENGTH: usize = 64;

/// What is wrong with the arguments, and `--genonly`.
pub(super) fn without_server(arguments: &UserCreate, output: &mut Output<'_>) -> Option<u8> {
    if let Err(text) = check(arguments) {
        output.failure(&text);
        return Some(2);
    }
    if !arguments.genonly {
        return None;
    }
    let key = match given(arguments) {
        Ok(Some(key)) => key,
        _ => random(),
    };
    let text = compact(Some(&key));
    output.result(&text, &json!({ "key": text }));
    Some(0)
}

fn check(arguments: &UserCreate) -> Result<(), String> {
    if arguments.subject.trim().chars().count() < 5 {
        return Err("Subject name must be at least 5 characters".to_owned());
    }
    if arguments.namespace.as_ref().is_some_and(|name| !name.is_empty() && name.trim().is_empty()) {
        return Err("Namespace must not be empty".to_owned());
    }
    given(arguments).map(drop)
}

/// The key of `--auth`, in the order and with the texts of OpenWhisk's checks.
fn given(arguments: &UserCreate) -> Result<Option<v1::Key>, String> {
    let Some(text) = arguments.auth.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
    let mut parts = text.split(':');
    let uuid = python::uuid4(parts.next().unwrap_or_default())
        .ok_or_else(|| "authorization id is not a valid UUID".to_owned())?;
    let secret = parts
        .next()
        .ok_or_else(|| "failed to determine authorization id and key: list index out of range".to_owned())?;
    match secret.chars().count() {
        KEY_LENGTH => Ok(Some(v1::Key { uuid, secret: secret.to_owned() })),
        ..KEY_LENGTH => Err(format!("authorization key must be at least {KEY_LENGTH} characters long")),
        length => Err(format!(
            "authorization key must be {KEY_LENGTH} characters long, with {length} characters nobody could log in"
        )),
    }
}

fn random() -> v1::Key {
    let mut rng = rand::rng();
    let secret = (0..KEY_LENGTH).map(|_| char::from(rng.sample(Alphanumeric))).collect();
    v1::Key { uuid: uuid::Uuid::new_v4().to_string(), secret }
}

pub(super) async fn run(arguments: &UserCreate, client: &mut Client, output: &mut Output<'_>) -> u8 {
    let existing =
        if arguments.revoke || arguments.force { ExistingKey::Replace } else { ExistingKey::Unspecified };
    let request = v1::CreateKeyRequest {
        subject: arguments.subject.trim().to_owned(),
        namespace: arguments.namespace.as_deref().unwrap_or_default().trim().to_owned(),
        // What is wrong with it was said before the server was asked.
        key: given(arguments).unwrap_or_default(),
        existing: existing.into(),
    };
    match client.create_key(request).await {
        Ok(answer) => {
            let identity = answer.into_inner().identity.unwrap_or_default();
            let key = compact(identity.key.as_ref());
            if !arguments.silent {
                let value =
                    json!({ "subject": identity.subject, "namespace": identity.namespace, "key": key });
                output.result(&key, &value);
            }
            0
        }
        Err(status) => {
            let text = match admin::reason(&status) {
                Reason::NamespaceExists => "Namespace already exists",
                Reason::NamespaceNotUnique => "Namespace is not unique",
                Reason::SubjectBlocked => "The subject you want to edit is blocked",
                _ => return failure(output, "create subject", &status),
            };
            output.failure(text);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(text: &str) -> Result<Option<v1::Key>, String> {
        let subject = "guest".to_owned();
        given(&UserCreate {
            subject,
            auth: Some(text.to_owned()),
            namespace: None,
            revoke: false,
            force: false,
            genonly: false,
            silent: false,
        })
    }

    #[test]
    fn keys_are_checked_as_openwhisk_checks_them() {
        let uuid = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";
        let key = auth(&format!("{uuid}:{}", "k".repeat(64))).unwrap().unwrap();
        assert_eq!((key.uuid.as_str(), key.secret.len()), (uuid, 64));
        let error = |text: &str| auth(text).unwrap_err();
        assert_eq!(error("x"), "authorization id is not a valid UUID");
        assert_eq!(error(uuid), "failed to determine authorization id and key: list index out of range");
        let short = error(&format!("{uuid}:{}", "k".repeat(63)));
        assert_eq!(short, "authorization key must be at least 64 characters long");
        assert!(error(&format!("{uuid}:{}", "k".repeat(65))).contains("nobody could log in"));
        assert_eq!(auth(""), Ok(None));
    }

    #[test]
    fn random_keys_are_keys() {
        let text = compact(Some(&random()));
        assert_eq!(compact(auth(&text).unwrap().as_ref()), text);
    }
}
