//! How controllers have invokers run activations.

/// Version 1 of the contract.
pub mod v1 {
    include!("generated/oxwhisk.dispatch.v1.rs");
}
