//! Where invokers get the code of actions.

/// Version 1 of the contract.
pub mod v1 {
    include!("generated/oxwhisk.code.v1.rs");
}
