//! How services tell everybody that they are there: on the channel `health`, about once a second.
//!
//! Discovery and a sign of life, and no more: whoever may write to the channel can send one, so an address is believed
//! only after a handshake has shown a certificate that names the service.

use serde::{Deserialize, Serialize};

use crate::id::InvokerId;

/// One heartbeat. Its key on the channel is the service's name (`invoker0`, `controller1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "service", rename_all = "camelCase")]
pub enum Heartbeat {
    Invoker(InvokerHeartbeat),
    Controller(ControllerHeartbeat),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokerHeartbeat {
    pub id: InvokerId,
    /// Of this life of the process.
    pub incarnation: u64,
    /// Its own name, for people; may be empty.
    #[serde(default)]
    pub name: String,
    /// `host:port` of its gRPC server.
    pub address: String,
    pub version: String,
    /// It takes work.
    pub enabled: bool,
    /// Kinds of the runtimes manifest that it has containers for; empty says all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Megabytes for containers, in all, and those that a new container could get.
    pub memory: u64,
    pub free: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerHeartbeat {
    /// As in its certificate, for example `controller0`.
    pub name: String,
    /// Of this life of the process.
    pub incarnation: u64,
    /// `host:port` of its gRPC server.
    pub address: String,
    pub version: String,
    /// Its last one: it has drained, and owes nothing.
    #[serde(default)]
    pub leaving: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_release_adds_is_passed_over() {
        let text = r#"{"service":"controller","name":"controller0","incarnation":18446744073709551615,
            "address":"h:1","version":"2","zone":"a"}"#;
        let Heartbeat::Controller(heartbeat) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        assert_eq!((heartbeat.incarnation, heartbeat.leaving), (u64::MAX, false));
        let again = serde_json::to_string(&Heartbeat::Controller(heartbeat.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Heartbeat>(&again).unwrap(), Heartbeat::Controller(heartbeat));
    }
}
