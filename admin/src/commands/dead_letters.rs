//! `wskadmin deadletter`.

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin::v1::dead_letters_client::DeadLettersClient;
use oxwhisk_proto::admin::v1::{self, DeadLetterSelection};
use serde_json::{Value, json};

use super::failed;
use crate::arguments::{DeadLetterCommand, SelectedLetters};
use crate::output::Output;

/// Bytes of the largest message.
const MAX_LETTER: usize = 1 << 30;

pub(super) async fn run(command: DeadLetterCommand, server: &Channel, output: &mut Output<'_>) -> u8 {
    let mut client = DeadLettersClient::new(server.clone()).max_decoding_message_size(MAX_LETTER);
    match command {
        DeadLetterCommand::List { limit, namespace } => {
            let namespace = namespace.unwrap_or_default();
            match client.list_dead_letters(v1::ListDeadLettersRequest { limit, namespace }).await {
                Ok(answer) => {
                    list(&answer.into_inner(), output);
                    0
                }
                Err(status) => failed(output, "list dead letters", &status),
            }
        }
        DeadLetterCommand::Show { activation } => {
            match client.get_dead_letter(v1::GetDeadLetterRequest { activation_id: activation }).await {
                Ok(answer) => {
                    show(&answer.into_inner(), output);
                    0
                }
                Err(status) => failed(output, "show dead letter", &status),
            }
        }
        DeadLetterCommand::Redrive(selected) => {
            let selection = Some(selection(selected));
            match client.redrive_dead_letters(v1::RedriveDeadLettersRequest { selection }).await {
                Ok(answer) => redriven(&answer.into_inner(), output),
                Err(status) => failed(output, "redrive dead letters", &status),
            }
        }
        DeadLetterCommand::Drop(selected) => {
            let selection = Some(selection(selected));
            match client.drop_dead_letters(v1::DropDeadLettersRequest { selection }).await {
                Ok(answer) => {
                    let ids = answer.into_inner().activation_ids;
                    output
                        .lines(ids.iter().map(|id| format!("\"{id}\" dropped")), &json!({ "dropped": ids }));
                    0
                }
                Err(status) => failed(output, "drop dead letters", &status),
            }
        }
    }
}

fn selection(selected: SelectedLetters) -> DeadLetterSelection {
    DeadLetterSelection { activation_ids: selected.activations, all: selected.all }
}

fn summary(letter: &v1::DeadLetter) -> Value {
    json!({
        "activationId": letter.activation_id, "namespace": letter.namespace, "action": letter.action,
        "receivedMs": letter.received_ms, "size": letter.size, "fault": letter.fault,
    })
}

fn line(letter: &v1::DeadLetter) -> String {
    let v1::DeadLetter { activation_id, namespace, action, received_ms, size, fault } = letter;
    if fault.is_empty() {
        format!("{activation_id}\t{namespace}\t{action}\treceived {received_ms}\t{size} bytes")
    } else {
        format!("{activation_id}\tunreadable: {fault}\t{size} bytes")
    }
}

fn list(answer: &v1::ListDeadLettersResponse, output: &mut Output<'_>) {
    let letters: Vec<Value> = answer.letters.iter().map(summary).collect();
    let value = json!({ "letters": letters, "total": answer.total });
    if answer.letters.is_empty() {
        output.result("no dead letters", &value);
    } else {
        output.lines(answer.letters.iter().map(line), &value);
    }
}

fn show(answer: &v1::GetDeadLetterResponse, output: &mut Output<'_>) {
    let letter = answer.letter.clone().unwrap_or_default();
    let message: Value = serde_json::from_slice(&answer.message)
        .unwrap_or_else(|_| String::from_utf8_lossy(&answer.message).into_owned().into());
    let mut value = summary(&letter);
    value["message"] = message.clone();
    output.lines([line(&letter), format!("{message:#}")], &value);
}

/// What cannot be read cannot be run again: that is a failure.
fn redriven(answer: &v1::RedriveDeadLettersResponse, output: &mut Output<'_>) -> u8 {
    let v1::RedriveDeadLettersResponse { activation_ids, unreadable } = answer;
    let done = activation_ids.iter().map(|id| format!("\"{id}\" queued again"));
    let left = unreadable.iter().map(|id| format!("Failed to redrive \"{id}\" (its message cannot be read)"));
    output.lines(done.chain(left), &json!({ "redriven": activation_ids, "unreadable": unreadable }));
    u8::from(!unreadable.is_empty())
}
