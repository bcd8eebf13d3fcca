//! Both ends against each other, over real connections.

mod conversation;
mod fixture;
mod large;
mod records;
mod security;
