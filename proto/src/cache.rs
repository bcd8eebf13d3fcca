//! Where invokers get tokens of the cache.

/// Version 1 of the contract.
pub mod v1 {
    include!("generated/oxwhisk.cache.v1.rs");
}
