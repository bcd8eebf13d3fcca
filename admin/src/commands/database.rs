//! `wskadmin db`.

use oxwhisk_grpc::Channel;
use oxwhisk_proto::admin::v1::databases_client::DatabasesClient;
use oxwhisk_proto::admin::v1::{Database, GetRowsRequest, GetRowsResponse};
use tonic::Status;

use super::detail;
use crate::arguments::DbCommand;
use crate::output::Output;
use crate::python;

/// Bytes of the largest page: some of the largest records.
const MAX_PAGE: usize = 1 << 30;

/// Wrong use.
pub(super) fn without_server(command: &DbCommand, output: &mut Output<'_>) -> Option<u8> {
    let DbCommand::Get { database, view, .. } = command;
    if let Some(view) = view.as_deref().filter(|view| !view.is_empty() && !view.contains('/')) {
        output.failure(&format!("view name \"{view}\" is not formatted correctly, should be design/view"));
        return Some(2);
    }
    if by_name(database).is_none() {
        let text = format!(
            "Failed to get database (\"{database}\" is not offered, only subjects, whisks and activations)"
        );
        output.failure(&text);
        return Some(1);
    }
    None
}

/// OpenWhisk's names for its databases.
fn by_name(name: &str) -> Option<Database> {
    match name {
        "subjects" => Some(Database::Subjects),
        "whisks" => Some(Database::Entities),
        "activations" => Some(Database::Activations),
        _ => None,
    }
}

pub(super) async fn run(command: DbCommand, server: &Channel, output: &mut Output<'_>) -> u8 {
    let DbCommand::Get { database, view, docs } = command;
    let view = view.unwrap_or_default();
    let request = GetRowsRequest {
        database: by_name(&database).unwrap_or_default().into(),
        // More parts than two are ignored, as OpenWhisk does.
        view: view.split('/').take(2).collect::<Vec<_>>().join("/"),
        documents: docs,
        after: String::new(),
    };
    let mut client = DatabasesClient::new(server.clone()).max_decoding_message_size(MAX_PAGE);
    if !output.json {
        let index = if view.is_empty() { "primary index" } else { &view };
        output.line(&format!("getting contents for {database} ({index})"));
    }
    match table(&mut client, request, output).await {
        Ok(()) => 0,
        Err(status) => {
            output.failure(&format!("Failed to get database ({})", detail(&status)));
            1
        }
    }
}

/// Prints `{"offset", "rows", "total_rows"}` as one JSON text, a page at a time: a database may be larger than the memory.
async fn table(
    client: &mut DatabasesClient<Channel>,
    mut request: GetRowsRequest,
    output: &mut Output<'_>,
) -> Result<(), Status> {
    let mut total = 0;
    let mut page = client.get_rows(request.clone()).await?.into_inner();
    let mut pending: Option<String> = None;
    output.line("{\n    \"offset\": 0,");
    loop {
        let GetRowsResponse { rows, next } = page;
        for row in rows {
            match pending.take() {
                Some(row) => output.line(&format!("        {row},")),
                None => output.line("    \"rows\": ["),
            }
            let text = python::json(&row, 2)
                .map_err(|error| Status::data_loss(format!("a row cannot be read: {error}")))?;
            pending = Some(text);
            total += 1;
        }
        if next.is_empty() {
            break;
        }
        request.after = next;
        page = client.get_rows(request.clone()).await?.into_inner();
    }
    match pending {
        Some(row) => output.line(&format!("        {row}\n    ],")),
        None => output.line("    \"rows\": [],"),
    }
    output.line(&format!("    \"total_rows\": {total}\n}}"));
    Ok(())
}
