//! What controllers say to each other.

/// Version 1 of the contract.
pub mod v1 {
    include!("generated/oxwhisk.peer.v1.rs");
}
