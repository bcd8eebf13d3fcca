//! The invoker's end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::id::{ActivationId, InvokerId};
use oxwhisk_grpc::Channel;
use oxwhisk_invoker_api::{CacheContainer, CacheToken, CacheTokenError, CacheTokens, Dispatch};
use oxwhisk_proto::cache::v1::cache_tokens_client::CacheTokensClient;
use oxwhisk_proto::cache::v1::{Ended, IssueRequest, Issuer, KeepOnlyRequest, RevokeRequest};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

/// Pause before what was not heard is said again.
const PAUSE: Duration = Duration::from_millis(200);
/// Containers that are gone and that nobody could be told of. More are not kept: their connections end by themselves, later.
const MOST_CONTAINERS: usize = 10_000;

/// The tokens of a cache-proxy at the other end of a channel.
#[derive(Debug)]
pub struct RemoteTokens {
    channel: Channel,
    issuer: Issuer,
    /// For one request.
    timeout: Duration,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Of the last token that was asked for.
    number: u64,
    /// Activations that may have a token.
    living: HashMap<ActivationId, u64>,
    /// Of which the proxy may know.
    containers: HashSet<String>,
    /// With the number of the last token that is over.
    ended: Vec<(ActivationId, u64)>,
    gone: HashSet<String>,
    /// It may be that the proxy was not heard to take in what it was told.
    is_unsure: bool,
}

/// What the proxy is to hear next.
enum Word {
    KeepOnly(KeepOnlyRequest),
    Revoke(RevokeRequest),
}

impl RemoteTokens {
    /// Nothing is connected yet. What is to be told is told by [`RemoteTokens::run`].
    #[must_use]
    pub fn new(channel: Channel, invoker: InvokerId, timeout: Duration) -> Arc<Self> {
        let issuer = Issuer { invoker: invoker.0, incarnation: rand::random() };
        // What an earlier process of this invoker has left at the proxy is over.
        let state = Mutex::new(State { is_unsure: true, ..State::default() });
        Arc::new(Self { channel, issuer, timeout, state, wake: Notify::new() })
    }

    /// Tells the proxy of ends, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                let Some(word) = self.next_word() else {
                    self.wake.notified().await;
                    continue;
                };
                if let Err(status) = self.say(&word).await {
                    tracing::warn!(%status, "the cache-proxy is not told which activations have ended");
                    self.not_heard(word);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_word(&self) -> Option<Word> {
        let mut state = self.state();
        if std::mem::take(&mut state.is_unsure) {
            // This says it, too.
            state.ended.clear();
            return Some(Word::KeepOnly(KeepOnlyRequest {
                issuer: Some(self.issuer),
                up_to: state.number,
                activation_ids: state.living.keys().map(ToString::to_string).collect(),
            }));
        }
        if state.ended.is_empty() && state.gone.is_empty() {
            return None;
        }
        Some(Word::Revoke(RevokeRequest {
            issuer: Some(self.issuer),
            ended: state
                .ended
                .drain(..)
                .map(|(id, up_to)| Ended { activation_id: id.to_string(), up_to })
                .collect(),
            containers: state.gone.drain().collect(),
        }))
    }

    async fn say(&self, word: &Word) -> Result<(), Status> {
        let mut client = CacheTokensClient::new(self.channel.clone());
        match word {
            Word::KeepOnly(request) => {
                client.keep_only(self.within(request.clone())).await?;
            }
            Word::Revoke(request) => {
                client.revoke(self.within(request.clone())).await?;
            }
        }
        Ok(())
    }

    fn not_heard(&self, word: Word) {
        let mut state = self.state();
        state.is_unsure = true;
        if let Word::Revoke(request) = word {
            state.gone.extend(request.containers);
        }
    }

    fn within<T>(&self, request: T) -> Request<T> {
        let mut request = Request::new(request);
        request.set_timeout(self.timeout);
        request
    }

    /// Numbers the activation's next token.
    fn begin(&self, id: ActivationId, container: &str) -> u64 {
        let mut state = self.state();
        if !state.containers.contains(container) {
            state.containers.insert(container.to_owned());
        }
        state.number += 1;
        let number = state.number;
        state.living.insert(id, number);
        number
    }
}

#[async_trait]
impl CacheTokens for RemoteTokens {
    async fn issue(
        &self,
        dispatch: &Dispatch,
        container: CacheContainer<'_>,
    ) -> Result<CacheToken, CacheTokenError> {
        let ticket = dispatch.ticket.as_ref();
        let ticket = ticket.ok_or_else(|| CacheTokenError::Refused("there is no ticket".to_owned()))?;
        let id = dispatch.activation_id;
        let request = IssueRequest {
            issuer: Some(self.issuer),
            number: self.begin(id, container.name),
            ticket: ticket.as_bytes().to_vec(),
            container: container.name.to_owned(),
            address: container.address.map(|address| address.to_string()).unwrap_or_default(),
            is_alone: container.is_alone,
            lasts: dispatch.action.limits.timeout,
        };
        let mut client = CacheTokensClient::new(self.channel.clone());
        let issuing = client.issue(self.within(request));
        let issued = tokio::time::timeout(self.timeout, issuing).await;
        match issued {
            Ok(Ok(response)) => Ok(CacheToken(response.into_inner().token)),
            Ok(Err(status)) => {
                self.revoke(id);
                Err(not_issued(&status))
            }
            Err(_) => {
                // It may have been issued all the same.
                self.revoke(id);
                Err(CacheTokenError::Away(format!("no answer within {} ms", self.timeout.as_millis())))
            }
        }
    }

    fn revoke(&self, id: ActivationId) {
        let mut state = self.state();
        if state.living.remove(&id).is_some() {
            let up_to = state.number;
            state.ended.push((id, up_to));
            drop(state);
            self.wake.notify_one();
        }
    }

    fn forget(&self, container: &str) {
        let mut state = self.state();
        if state.containers.remove(container) && state.gone.len() < MOST_CONTAINERS {
            state.gone.insert(container.to_owned());
            drop(state);
            self.wake.notify_one();
        }
    }
}

fn not_issued(status: &Status) -> CacheTokenError {
    match status.code() {
        Code::PermissionDenied | Code::InvalidArgument => {
            CacheTokenError::Refused(status.message().to_owned())
        }
        _ => CacheTokenError::Away(status.message().to_owned()),
    }
}
