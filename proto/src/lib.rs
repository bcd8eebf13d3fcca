//! The gRPC contracts between the services, and the code generated from them.
//!
//! A contract is a file `oxwhisk/<area>/v1/*.proto` in this crate's folder. The generated code and the descriptor set are
//! committed in `src/generated/`, so that a build needs no compiler for them; `cargo run -p oxwhisk-proto-generate` brings
//! them up to date, and a test of that crate fails if they are not.
//!
//! Within a version nothing is renumbered, renamed or given another meaning: fields and methods are only added. What
//! cannot be done that way is a `v2` beside the `v1`.

pub mod admin;
pub mod cache;
pub mod code;
pub mod dispatch;
pub mod peer;

/// Every contract with all it imports, as an encoded `google.protobuf.FileDescriptorSet`: what gRPC reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
