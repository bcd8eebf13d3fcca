//! A proxy in front of a real `redis-server`.

mod administration;
mod blocking;
mod clients;
mod fixture;
#[path = "../../commands/tests/it/generator.rs"]
mod generator;
mod keyspace;
mod pressure;
mod property;
mod pubsub;
mod requests;
mod scope;
mod server;
mod tls;
mod tokens;
mod transactions;
mod usage;
