//! `wskadmin user`.

mod create;

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin;
use oxwhisk_proto::admin::v1::subjects_client::SubjectsClient;
use oxwhisk_proto::admin::v1::{self, Reason};
use serde_json::{Value, json};
use tonic::Status;

use super::detail;
use crate::arguments::{UserArguments, UserCommand};
use crate::output::Output;

/// The view of OpenWhisk's that the answers are those of.
pub(crate) const VIEW: &str = "subjects.v2.0.0";

type Client = SubjectsClient<Channel>;

/// Wrong use, and what needs no server.
pub(super) fn without_server(arguments: &UserArguments, output: &mut Output<'_>) -> Option<u8> {
    if arguments.view != VIEW {
        output.failure(&format!("the view \"{}\" is not offered, only \"{VIEW}\"", arguments.view));
        return Some(2);
    }
    match &arguments.command {
        UserCommand::Create(arguments) => create::without_server(arguments, output),
        UserCommand::Delete { subject, namespace, .. } => {
            let text = if subject.trim().is_empty() {
                "Subject must not be empty"
            } else if namespace.as_ref().is_some_and(|name| !name.is_empty() && name.trim().is_empty()) {
                "Namespace must not be empty"
            } else {
                return None;
            };
            output.failure(text);
            Some(2)
        }
        UserCommand::List { pick, .. } if *pick < 1 => {
            output.failure("pick at least 1 identity to show");
            Some(2)
        }
        UserCommand::Whois { authkey } if !authkey.contains(':') => {
            output.failure("Exception:  the credentials are not uuid:key");
            Some(1)
        }
        _ => None,
    }
}

pub(super) async fn run(arguments: UserArguments, server: &Channel, output: &mut Output<'_>) -> u8 {
    let client = &mut SubjectsClient::new(server.clone());
    match arguments.command {
        UserCommand::Create(arguments) => create::run(&arguments, client, output).await,
        UserCommand::Delete { subject, namespace } => match namespace.filter(|name| !name.is_empty()) {
            None => delete(subject.trim(), client, output).await,
            Some(namespace) => delete_namespace(subject.trim(), namespace.trim(), client, output).await,
        },
        UserCommand::Get { subject, namespace, all } => get(&subject, namespace, all, client, output).await,
        UserCommand::Whois { authkey } => whois(&authkey, client, output).await,
        UserCommand::List { namespace, pick, all, key } => {
            let limit = if all { 0 } else { u32::try_from(pick).unwrap_or(u32::MAX) };
            list(&namespace, limit, key, client, output).await
        }
        UserCommand::Block { subjects } => block(&subjects, true, client, output).await,
        UserCommand::Unblock { subjects } => block(&subjects, false, client, output).await,
    }
}

fn compact(key: Option<&v1::Key>) -> String {
    key.map_or_else(String::new, |key| format!("{}:{}", key.uuid, key.secret))
}

fn failure(output: &mut Output<'_>, what: &str, status: &Status) -> u8 {
    output.failure(&format!("Failed to {what} ({})", detail(status)));
    1
}

async fn delete(subject: &str, client: &mut Client, output: &mut Output<'_>) -> u8 {
    let request = v1::DeleteSubjectRequest { subject: subject.to_owned() };
    match client.delete_subject(request).await {
        Ok(_) => {
            output.result("Subject deleted", &json!({ "deleted": subject }));
            0
        }
        Err(status) => failure(output, "delete subject", &status),
    }
}

async fn delete_namespace(
    subject: &str,
    namespace: &str,
    client: &mut Client,
    output: &mut Output<'_>,
) -> u8 {
    let request = v1::DeleteNamespaceRequest { subject: subject.to_owned(), namespace: namespace.to_owned() };
    match client.delete_namespace(request).await {
        Ok(_) => {
            output.result("Namespace deleted", &json!({ "deleted": namespace, "subject": subject }));
            0
        }
        Err(status) => match admin::reason(&status) {
            Reason::NamespaceMissing => {
                output.failure(&format!("Namespace \"{namespace}\" does not exist for \"{subject}\""));
                1
            }
            Reason::SubjectMissing => failure(output, "delete subject", &status),
            _ => failure(output, "remove namespace", &status),
        },
    }
}

async fn get(
    subject: &str,
    namespace: Option<String>,
    all: bool,
    client: &mut Client,
    output: &mut Output<'_>,
) -> u8 {
    let found = match client.get_subject(v1::GetSubjectRequest { subject: subject.to_owned() }).await {
        Ok(answer) => answer.into_inner().subject.unwrap_or_default(),
        Err(status) => return failure(output, "get subject", &status),
    };
    let entry = |entry: &v1::NamespaceKey| json!({ "namespace": entry.namespace, "key": compact(entry.key.as_ref()) });
    if all {
        let line = |entry: &v1::NamespaceKey| format!("{}\t{}", entry.namespace, compact(entry.key.as_ref()));
        let namespaces: Vec<Value> = found.namespaces.iter().map(entry).collect();
        let value = json!({ "subject": found.name, "blocked": found.blocked, "namespaces": namespaces });
        output.lines(found.namespaces.iter().map(line), &value);
        return 0;
    }
    let namespace = namespace.unwrap_or_else(|| subject.to_owned());
    let held: Vec<_> = found.namespaces.iter().filter(|entry| entry.namespace == namespace).collect();
    if let [only] = held.as_slice() {
        output.result(&compact(only.key.as_ref()), &entry(only));
        return 0;
    }
    output.failure(&format!("namespace \"{namespace}\" not found for \"{subject}\""));
    1
}

async fn whois(authkey: &str, client: &mut Client, output: &mut Output<'_>) -> u8 {
    let mut parts = authkey.split(':');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let key = v1::Key { uuid: part(), secret: part() };
    match client.whois(v1::WhoisRequest { key: Some(key) }).await {
        Ok(answer) => {
            match answer.into_inner().identity {
                Some(found) => output.lines(
                    [format!("subject: {}", found.subject), format!("namespace: {}", found.namespace)],
                    &json!({ "subject": found.subject, "namespace": found.namespace }),
                ),
                None => output.result("Subject id is not recognized", &Value::Null),
            }
            0
        }
        Err(status) => failure(output, "get subject", &status),
    }
}

async fn list(
    namespace: &str,
    limit: u32,
    key_only: bool,
    client: &mut Client,
    output: &mut Output<'_>,
) -> u8 {
    let request = v1::ListIdentitiesRequest { namespace: namespace.to_owned(), limit };
    let identities = match client.list_identities(request).await {
        Ok(answer) => answer.into_inner().identities,
        Err(status) => return failure(output, "get namespace key", &status),
    };
    let line = |identity: &v1::Identity| {
        let key = compact(identity.key.as_ref());
        if key_only { key } else { format!("{key}\t{}", identity.subject) }
    };
    let value: Vec<Value> = identities
        .iter()
        .map(|identity| json!({ "subject": identity.subject, "key": compact(identity.key.as_ref()) }))
        .collect();
    if identities.is_empty() {
        output.result(&format!("no identities found for namespace \"{namespace}\""), &json!(value));
    } else {
        output.lines(identities.iter().map(line), &json!(value));
    }
    0
}

/// The exit code is the number of failures, as far as an exit code can tell.
async fn block(subjects: &[String], blocked: bool, client: &mut Client, output: &mut Output<'_>) -> u8 {
    let verb = if blocked { "block" } else { "unblock" };
    let mut failures: u8 = 0;
    for subject in subjects.iter().map(|subject| subject.trim()).filter(|subject| !subject.is_empty()) {
        let request = v1::SetBlockedRequest { subject: subject.to_owned(), blocked };
        match client.set_blocked(request).await {
            Ok(_) => output.result(
                &format!("\"{subject}\" {verb}ed successfully"),
                &json!({ "subject": subject, "blocked": blocked }),
            ),
            Err(status) => {
                output.failure(&format!("Failed to {verb} \"{subject}\" ({})", detail(&status)));
                failures = failures.saturating_add(1);
            }
        }
    }
    failures
}
