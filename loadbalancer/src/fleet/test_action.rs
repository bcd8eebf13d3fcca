//! The action that shows whether an invoker that was in trouble can run something again.

use oxwhisk_core::name::{FullyQualifiedName, NameError};

/// Whom the test action belongs to; OpenWhisk's namespace for the platform's own actions.
pub const NAMESPACE: &str = "whisk.system";
/// Its code; its kind is the default Node.js, its memory the least an action may have.
pub const CODE: &str = "function main(params) { return params; }";
/// The transaction of its activations is the system's, `sid_` before this.
pub const TRANSACTION: &str = "invokerHealth";

/// `whisk.system/invokerHealthTestAction<controller>`: each controller has its own.
///
/// # Errors
/// When the controller's name holds characters that no action's name may have, or is too long.
pub fn name(controller: &str) -> Result<FullyQualifiedName, NameError> {
    let namespace = oxwhisk_core::name::EntityName::new(NAMESPACE)?;
    FullyQualifiedName::parse(&format!("{NAMESPACE}/invokerHealthTestAction{controller}"), &namespace)
}
