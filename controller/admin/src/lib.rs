//! The admin API of a controller: the services of `oxwhisk.admin.v1` over stores, bus and fleet.
//!
//! A crate of its own, so that the controller builds without gRPC and nothing of this is on the way of an invocation. What
//! the services need of the running controller are the small traits of [`parts`]. A change is in the store before it is
//! answered, holds on this controller at once, is announced to others, and is carried to its end when its client goes.

mod databases;
mod dead_letters;
mod edit_key;
mod edits;
mod invokers;
mod limits;
pub mod parts;
mod status;
mod subjects;
mod system;

use std::sync::Arc;

use oxwhisk_grpc::server::Builder;
use oxwhisk_grpc::{Access, Role};
use oxwhisk_proto::admin::v1::databases_server::DatabasesServer;
use oxwhisk_proto::admin::v1::dead_letters_server::DeadLettersServer;
use oxwhisk_proto::admin::v1::invokers_server::InvokersServer;
use oxwhisk_proto::admin::v1::limits_server::LimitsServer;
use oxwhisk_proto::admin::v1::subjects_server::SubjectsServer;
use oxwhisk_proto::admin::v1::system_server::SystemServer;

pub use parts::{Caches, Contents, InvokerDirectory, InvokerStatus, Parts, Redrive};

/// Bytes of the largest request: a thousand activation ids and more.
const MAX_REQUEST: usize = 256 << 10;

/// Adds the services, for administrators.
#[must_use]
pub fn register(server: Builder, parts: Parts) -> Builder {
    let admins = || Access::roles(&[Role::Admin]);
    let parts = Arc::new(parts);
    let subjects = SubjectsServer::new(subjects::Service::new(&parts)).max_decoding_message_size(MAX_REQUEST);
    let limits = LimitsServer::new(limits::Service::new(&parts)).max_decoding_message_size(MAX_REQUEST);
    let invokers = InvokersServer::new(invokers::Service::new(&parts)).max_decoding_message_size(MAX_REQUEST);
    let letters =
        DeadLettersServer::new(dead_letters::Service::new(&parts)).max_decoding_message_size(MAX_REQUEST);
    let databases =
        DatabasesServer::new(databases::Service::new(&parts)).max_decoding_message_size(MAX_REQUEST);
    let system = SystemServer::new(system::Service::new(&parts)).max_decoding_message_size(MAX_REQUEST);
    server
        .service(admins(), subjects)
        .service(admins(), limits)
        .service(admins(), invokers)
        .service(admins(), letters)
        .service(admins(), databases)
        .service(admins(), system)
}
