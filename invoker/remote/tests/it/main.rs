//! Both ends against each other, over real connections.

mod cache;
mod code;
mod conversation;
mod fixture;
mod heartbeats;
mod large;
mod offers;
mod records;
mod security;
