//! User events: what OpenWhisk tells its monitoring about activations and throttles, on the bus topic `events`.
//!
//! Names and forms are OpenWhisk's (`EventMessage` with its bodies), because its `user-events` service and the dashboards
//! made for that read them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::entity::{Activation, Status};
use crate::json::Members;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserEvent<'a> {
    /// Who tells it, for example `invoker0` or `controller0`.
    pub source: &'a str,
    pub body: EventBody<'a>,
    pub subject: &'a str,
    /// The invoking namespace.
    pub namespace: &'a str,
    /// The uuid of the namespace's key.
    pub user_id: &'a str,
    event_type: &'static str,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

impl<'a> UserEvent<'a> {
    #[must_use]
    pub const fn new(
        source: &'a str,
        (subject, namespace, user_id): (&'a str, &'a str, &'a str),
        body: EventBody<'a>,
        timestamp: i64,
    ) -> Self {
        let event_type = match body {
            EventBody::Activation(_) => "Activation",
            EventBody::Metric { .. } => "Metric",
        };
        Self { source, body, subject, namespace, user_id, event_type, timestamp }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum EventBody<'a> {
    Activation(ActivationEvent<'a>),
    Metric { metric_name: Metric, metric_value: u64 },
}

/// What a namespace ran into, or how much of it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Metric {
    /// It was refused for running too much at once.
    ConcurrentRateLimit,
    /// It was refused for invoking too often in a minute.
    TimedRateLimit,
    /// Activations in flight, the one that begins included.
    ConcurrentInvocations,
}

/// An activation that has ended. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationEvent<'a> {
    /// `namespace/name` or `namespace/package/name` of the action.
    pub name: String,
    pub activation_id: String,
    pub status_code: u8,
    pub duration: u64,
    pub wait_time: u64,
    pub init_time: u64,
    pub kind: String,
    pub conductor: bool,
    /// Megabytes.
    pub memory: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<std::borrow::Cow<'a, str>>,
    /// Bytes of the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_defined_status_code: Option<i64>,
}

/// What stands for a status code of the action's that is no number.
const BAD_STATUS_CODE: i64 = 400;

impl<'a> ActivationEvent<'a> {
    /// `None` for records that do not say what ran: those without the annotations `path`, `kind` and `limits`.
    #[must_use]
    pub fn of(activation: &'a Activation) -> Option<Self> {
        let annotations = &activation.annotations;
        let number = |name: &str| annotations.get(name).and_then(|value| value.get().parse().ok());
        let memory = Members::read(annotations.get("limits")?).ok()?.number("memory")?;
        let result = activation.response.result.as_deref();
        Some(Self {
            name: annotations.string("path")?.into_owned(),
            activation_id: activation.activation_id.to_string(),
            status_code: u8::from(activation.response.status),
            duration: activation.duration.unwrap_or_default(),
            wait_time: number("waitTime").unwrap_or_default(),
            init_time: number("initTime").unwrap_or_default(),
            kind: annotations.string("kind")?.into_owned(),
            conductor: annotations.is_truthy("conductor", false),
            memory,
            caused_by: annotations.string("causedBy"),
            size: activation.response.size,
            user_defined_status_code: result
                .and_then(|result| status_code(result, activation.response.status)),
        })
    }
}

/// The `statusCode` that the action put into its result, or into the error of it.
fn status_code(result: &RawValue, status: Status) -> Option<i64> {
    let result = Members::read(result).ok()?;
    let error = result.get("error").filter(|_| status != Status::Success);
    let of_error = error.and_then(|error| Members::read(error).ok()?.get("statusCode"));
    let code = of_error.or_else(|| result.get("statusCode"))?;
    Some(code.get().parse().unwrap_or(BAD_STATUS_CODE))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::entity::Response;
    use crate::id::ActivationId;
    use crate::name::EntityName;
    use crate::parameters::Parameters;
    use crate::version::Version;

    fn activation(result: &str, status: Status) -> Activation {
        let mut annotations = Parameters::new();
        annotations.set("path", "guest/pkg/hello");
        annotations.set("kind", "nodejs:20");
        annotations.set("limits", &json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}));
        annotations.set("waitTime", &17);
        annotations.set("initTime", &40);
        let result: Arc<RawValue> = RawValue::from_string(result.to_owned()).unwrap().into();
        Activation {
            namespace: EntityName::new("guest").unwrap(),
            name: EntityName::new("hello").unwrap(),
            version: Version::FIRST,
            subject: "someone".into(),
            activation_id: "44794bd6aab74415b4e42a308d880e5b".parse::<ActivationId>().unwrap(),
            start: 1,
            end: 124,
            duration: Some(123),
            cause: None,
            response: Response { status, size: Some(result.get().len() as u64), result: Some(result) },
            logs: Vec::new(),
            annotations,
            publish: false,
        }
    }

    fn as_json(event: &impl Serialize) -> Value {
        serde_json::to_value(event).unwrap()
    }

    #[test]
    fn an_activation_is_told_as_openwhisk_tells_it() {
        let mut activation = activation(r#"{"a":1}"#, Status::Success);
        activation.annotations.set("causedBy", "sequence");
        let body = EventBody::Activation(ActivationEvent::of(&activation).unwrap());
        let event = UserEvent::new("invoker0", ("someone", "guest", "23bc46b1"), body, 1_760_000_000_000);
        assert_eq!(
            as_json(&event),
            json!({
                "source": "invoker0", "subject": "someone", "namespace": "guest", "userId": "23bc46b1",
                "eventType": "Activation", "timestamp": 1_760_000_000_000_i64,
                "body": {
                    "name": "guest/pkg/hello", "activationId": "44794bd6aab74415b4e42a308d880e5b", "statusCode": 0,
                    "duration": 123, "waitTime": 17, "initTime": 40, "kind": "nodejs:20", "conductor": false,
                    "memory": 256, "causedBy": "sequence", "size": 7,
                },
            })
        );
    }

    #[test]
    fn a_metric_is_told_as_openwhisk_tells_it() {
        let body = EventBody::Metric { metric_name: Metric::ConcurrentInvocations, metric_value: 3 };
        let event = as_json(&UserEvent::new("controller0", ("s", "n", "u"), body, 5));
        assert_eq!(event["body"], json!({"metricName": "ConcurrentInvocations", "metricValue": 3}));
        assert_eq!(event["eventType"], "Metric");
    }

    #[test]
    fn the_actions_own_status_code_is_found() {
        let code = |result: &str, status| {
            as_json(&ActivationEvent::of(&activation(result, status)).unwrap())["userDefinedStatusCode"]
                .clone()
        };
        assert_eq!(code(r#"{"statusCode": 404}"#, Status::Success), json!(404));
        assert_eq!(code(r#"{"error": {"statusCode": 409}}"#, Status::ApplicationError), json!(409));
        assert_eq!(code(r#"{"error": {}, "statusCode": 501}"#, Status::ApplicationError), json!(501));
        assert_eq!(code(r#"{"error": "no", "statusCode": "x"}"#, Status::ApplicationError), json!(400));
        assert_eq!(code(r#"{"error": "no"}"#, Status::ApplicationError), Value::Null);
        assert_eq!(code("[1]", Status::Success), Value::Null);
    }

    #[test]
    fn what_does_not_say_what_ran_is_no_event() {
        for missing in ["path", "kind", "limits"] {
            let mut activation = activation("{}", Status::WhiskError);
            activation.annotations.remove_all(&[missing.to_owned()]);
            assert_eq!(ActivationEvent::of(&activation), None, "{missing}");
        }
    }
}
