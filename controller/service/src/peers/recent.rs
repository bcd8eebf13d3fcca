//! Asks other controllers for records that the store may not have yet.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use oxwhisk_controller::RecordsElsewhere;
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_core::name::EntityName;
use oxwhisk_proto::peer::v1::GetRecentRequest;
use tonic::{Code, Status};

use super::PeerIdentity;
use super::directory::Shared;
use super::link::{PeerClient, in_time};

#[derive(Debug)]
pub(super) struct PeerRecords(Arc<Shared>);

impl PeerRecords {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    async fn ask(
        &self,
        peer: PeerIdentity,
        client: PeerClient,
        wanted: GetRecentRequest,
    ) -> Option<Activation> {
        let id = wanted.activation_id.clone();
        let asked = in_time(self.0.options.record_timeout, get(client, wanted, self.0.options.max_record));
        match asked.await {
            Ok(document) => match Activation::from_document(&document) {
                Ok(record) => Some(record).filter(|record| record.activation_id.to_string() == id),
                Err(error) => {
                    tracing::error!(controller = peer.name, %error, "cannot read a record of another controller");
                    None
                }
            },
            Err(status) if status.code() == Code::NotFound => None,
            Err(error) => {
                tracing::info!(controller = peer.name, %error, "a controller cannot be asked for a record");
                None
            }
        }
    }
}

async fn get(
    PeerClient(mut client): PeerClient,
    wanted: GetRecentRequest,
    max: usize,
) -> Result<String, Status> {
    let mut parts = client.get_recent(wanted).await?.into_inner();
    let mut document = Vec::new();
    while let Some(part) = parts.message().await? {
        if document.len() + part.part.len() > max {
            return Err(Status::resource_exhausted("it is larger than any record may be"));
        }
        document.extend(part.part);
    }
    String::from_utf8(document).map_err(|_| Status::data_loss("it is no text"))
}

#[async_trait]
impl RecordsElsewhere for PeerRecords {
    /// All are asked at once, and the first who has it is believed.
    async fn find(&self, namespace: &EntityName, id: ActivationId) -> Option<Activation> {
        let ask = |(peer, client)| {
            let wanted = GetRecentRequest { namespace: namespace.to_string(), activation_id: id.to_string() };
            self.ask(peer, client, wanted)
        };
        let asked: FuturesUnordered<_> = self.0.clients().into_iter().map(ask).collect();
        let found = asked.filter_map(std::future::ready);
        let first = std::pin::pin!(found).next().await;
        first.filter(|record| record.namespace == *namespace)
    }
}
