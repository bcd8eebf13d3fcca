//! Code, from the controllers that converse, against a ticket.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use oxwhisk_grpc::{Expected, Identity, Role};
use oxwhisk_invoker_api::{ActionDescriptor, CodeError, CodeSource};
use oxwhisk_proto::code::v1::GetCodeRequest;
use oxwhisk_proto::code::v1::code_client::CodeClient;
use oxwhisk_ticket::Ticket;
use tonic::{Code, Status};

use super::shell::Shell;
use crate::Dialer;

/// Pause before controllers are asked again, doubled up to the longest.
const ASK_FIRST: Duration = Duration::from_millis(100);
const ASK_LONGEST: Duration = Duration::from_secs(2);
/// Bytes of a part and what is around it.
const MESSAGE_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct RemoteCode {
    shell: Arc<Shell>,
    dialer: Dialer,
}

/// What came of a round of questions.
enum Asked {
    /// It stays so.
    Answered(Result<Bytes, CodeError>),
    /// The next round may have another answer.
    Later,
}

impl RemoteCode {
    pub(super) fn new(shell: Arc<Shell>, dialer: Dialer) -> Self {
        Self { shell, dialer }
    }

    /// Controllers to ask, with their addresses.
    fn controllers(&self) -> Vec<(Option<Identity>, String)> {
        let state = self.shell.state();
        let known = state.conversations.values();
        known.map(|with| (with.controller.clone(), with.code_address.clone())).collect()
    }

    /// Asks each controller once.
    async fn ask_all(&self, action: &ActionDescriptor, request: &GetCodeRequest) -> Asked {
        let controllers = self.controllers();
        // One that begins a conversation may have it.
        let mut may_change = controllers.is_empty();
        for (who, address) in controllers {
            let status = match self.fetch(who, &address, request.clone()).await {
                Ok(code) => return Asked::Answered(Ok(code)),
                Err(status) => status,
            };
            match status.code() {
                Code::NotFound => return Asked::Answered(Err(CodeError::NotFound)),
                Code::FailedPrecondition => return Asked::Answered(Err(CodeError::Mismatch)),
                // Neither a ticket that is refused nor code that is too large gets better.
                Code::PermissionDenied | Code::Unauthenticated | Code::DataLoss => {}
                _ => may_change = true,
            }
            tracing::warn!(action = %action.id, address, error = %status, "a controller gives no code");
        }
        if may_change { Asked::Later } else { Asked::Answered(Err(CodeError::Unavailable)) }
    }

    async fn fetch(
        &self,
        who: Option<Identity>,
        address: &str,
        request: GetCodeRequest,
    ) -> Result<Bytes, Status> {
        let expected = who.map_or(Expected::Role(Role::Controller), Expected::Peer);
        let channel =
            self.dialer.dial(address, expected).map_err(|error| Status::unavailable(error.to_string()))?;
        let mut client = CodeClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let mut parts = client.get_code(request).await?.into_inner();
        let mut code = BytesMut::new();
        while let Some(part) = parts.message().await? {
            if code.len() + part.part.len() > self.shell.options.max_code {
                let max = self.shell.options.max_code;
                return Err(Status::data_loss(format!("the code has more than {max} bytes")));
            }
            code.extend_from_slice(&part.part);
        }
        Ok(code.freeze())
    }
}

#[async_trait]
impl CodeSource for RemoteCode {
    async fn code(
        &self,
        action: &ActionDescriptor,
        ticket: Option<&Ticket>,
    ) -> Result<Option<Bytes>, CodeError> {
        let Some(ticket) = ticket.filter(|_| action.has_code) else {
            return if action.has_code { Err(CodeError::Unavailable) } else { Ok(None) };
        };
        let request = GetCodeRequest {
            ticket: ticket.as_bytes().to_vec(),
            kind: action.kind.clone(),
            main: action.main.clone(),
            binary: action.binary,
        };
        // What was accepted must not fail for ever because a store or a controller is away for a moment.
        let asking = async {
            let mut pause = ASK_FIRST;
            loop {
                if let Asked::Answered(answer) = self.ask_all(action, &request).await {
                    return answer.map(Some);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ASK_LONGEST);
            }
        };
        let patience = self.shell.options.code_patience;
        tokio::time::timeout(patience, asking).await.unwrap_or(Err(CodeError::Unavailable))
    }
}
