//! Health and reflection, as probes and tools use them.

use oxwhisk_grpc::{Channel, Security};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::fixture::{Certificates, open, plaintext, start, start_tls};

async fn is_serving(channel: Channel, service: &str) -> Result<bool, tonic::Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel).check(request).await?.into_inner();
    Ok(answer.status() == ServingStatus::Serving)
}

async fn becomes(channel: &Channel, service: &str, wanted: bool) {
    let settled = async {
        while is_serving(channel.clone(), service).await.expect("an answer") != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), settled).await.expect("health follows");
}

#[tokio::test]
async fn health_follows_readiness() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    // Every peer may ask.
    let channel = open(&server.address, certificates.trust("invoker/i", "controller/c0"));
    for service in ["", "oxwhisk.admin.v1.System"] {
        becomes(&channel, service, true).await;
    }
    let part = server.readiness.await_part("store");
    becomes(&channel, "", false).await;
    part.ready();
    becomes(&channel, "oxwhisk.admin.v1.System", true).await;
    server.readiness.drain();
    becomes(&channel, "", false).await;
    assert_eq!(is_serving(channel, "no.Such").await.unwrap_err().code(), Code::NotFound);
}

async fn reflect(channel: Channel, request: MessageRequest) -> ServerReflectionResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let requests = tokio_stream::iter([request]);
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(requests)
        .await
        .expect("an answer")
        .into_inner();
    answers.message().await.expect("an answer").expect("an answer")
}

#[tokio::test]
async fn tools_find_services_and_their_messages() {
    let server = start(Security::Plaintext { insecure: false }).await;
    let channel = open(&server.address, plaintext());
    let listed = reflect(channel.clone(), MessageRequest::ListServices(String::new())).await;
    let Some(MessageResponse::ListServicesResponse(services)) = listed.message_response else {
        panic!("{listed:?}");
    };
    let names: Vec<&str> = services.service.iter().map(|service| service.name.as_str()).collect();
    // What the descriptors hold beside the served ones is not listed.
    let served = ["oxwhisk.admin.v1.System", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
    assert_eq!(names, served);
    let symbol = MessageRequest::FileContainingSymbol("oxwhisk.admin.v1.System".to_owned());
    let described = reflect(channel, symbol).await;
    assert!(
        matches!(described.message_response, Some(MessageResponse::FileDescriptorResponse(_))),
        "{described:?}"
    );
}
