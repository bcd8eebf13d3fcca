//! A controller among other services, from outside: its library, and the binary.

mod binary;
mod caches;
mod cluster;
mod code;
mod command_line;
mod configuration;
mod dead_letters;
mod engine;
mod fixture;
mod given;
mod http;
mod peers;
mod process;
mod records;
mod services;
mod shared_records;
mod writer;
