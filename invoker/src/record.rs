//! Records of activations. Pure.

use std::sync::Arc;

use oxwhisk_container::CreateError;
use oxwhisk_core::cache::CACHE_ERROR;
use oxwhisk_core::entity::{Activation, Response, Status};
use oxwhisk_core::parameters::Parameters;
use oxwhisk_invoker_api::{CodeError, Dispatch};

/// When an activation ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Milliseconds since the epoch at which initialisation, or without one the run, began.
    pub(crate) begun: i64,
    /// Milliseconds of initialisation, if there was one.
    pub(crate) init: Option<u64>,
    /// Milliseconds of the run.
    pub(crate) run: u64,
}

/// How an activation ended, but for its logs.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) response: Response,
    pub(crate) timing: Timing,
    /// It ran into its time limit.
    pub(crate) timed_out: bool,
    /// The shutdown ended it.
    pub(crate) cut_off: bool,
    /// Why it had nothing of the cache, which it asked for.
    pub(crate) cache_error: Option<String>,
}

/// The record of an activation that reached a container, or failed to get one.
pub(crate) fn activation(dispatch: &Dispatch, outcome: Outcome, logs: Vec<String>) -> Activation {
    let timing = outcome.timing;
    let duration = timing.run + timing.init.unwrap_or(0);
    let mut annotations = common_annotations(dispatch, &dispatch.action.kind);
    annotations.set("limits", &dispatch.action.limits);
    annotations.set("timeout", &outcome.timed_out);
    // A clock that was set back does not make a wait negative.
    annotations.set("waitTime", &timing.begun.saturating_sub(dispatch.received).max(0));
    if let Some(init) = timing.init {
        annotations.set("initTime", &init);
    }
    if let Some(reason) = &outcome.cache_error {
        annotations.set(CACHE_ERROR, reason.as_str());
    }
    let end = timing.begun.saturating_add_unsigned(duration);
    record(dispatch, outcome.response, (timing.begun, end, duration), annotations, logs)
}

/// How an activation ends that needs the cache and has none: its run did not begin.
pub(crate) fn without_cache(reason: String, timing: Timing) -> Outcome {
    let response = Response::error(Status::WhiskError, &format!("The action requires the cache: {reason}"));
    Outcome { response, timing, timed_out: false, cut_off: false, cache_error: Some(reason) }
}

/// The record of an activation whose action could not be had. `now` is in milliseconds since the epoch.
pub(crate) fn fallback(dispatch: &Dispatch, error: &CodeError, now: i64) -> Activation {
    let status = match error {
        CodeError::NotFound => Status::ApplicationError,
        CodeError::Mismatch | CodeError::Unavailable => Status::WhiskError,
    };
    let response = Response::error(status, &error.to_string());
    record(dispatch, response, (now, now, 0), common_annotations(dispatch, "unknown"), Vec::new())
}

/// What is said of an activation whose container could not be made.
pub(crate) fn of_create_error(error: &CreateError, dispatch: &Dispatch) -> Response {
    match error {
        CreateError::ImagePull { .. } | CreateError::CommandNotFound { .. } => {
            Response::error(Status::DeveloperError, &error.to_string())
        }
        // OpenWhisk without that image would not get it either.
        CreateError::Unsupported { .. } => {
            let image = dispatch.action.image.to_string();
            Response::error(Status::DeveloperError, &CreateError::ImagePull { image }.to_string())
        }
        CreateError::Platform(_) => {
            Response::error(Status::WhiskError, "Failed to provision resources to run the action.")
        }
    }
}

fn common_annotations(dispatch: &Dispatch, kind: &str) -> Parameters {
    let mut annotations = Parameters::new();
    annotations.set("path", &dispatch.action.id.to_string());
    annotations.set("kind", kind);
    if dispatch.cause.is_some() {
        annotations.set("causedBy", "sequence");
    }
    if let Some(binding) = &dispatch.binding {
        annotations.set("binding", binding.as_str());
    }
    annotations
}

fn record(
    dispatch: &Dispatch,
    response: Response,
    (start, end, duration): (i64, i64, u64),
    annotations: Parameters,
    logs: Vec<String>,
) -> Activation {
    Activation {
        namespace: dispatch.caller.namespace.clone(),
        name: dispatch.action.id.name.clone(),
        version: dispatch.action.version,
        subject: Arc::clone(&dispatch.caller.subject),
        activation_id: dispatch.activation_id,
        start,
        end,
        duration: Some(duration),
        cause: dispatch.cause,
        response,
        logs,
        annotations,
        publish: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::tests::dispatch;

    fn outcome(init: Option<u64>) -> Outcome {
        let response = Response::error(Status::ApplicationError, "no");
        let timing = Timing { begun: 1_010, init, run: 5 };
        Outcome { response, timing, timed_out: false, cut_off: false, cache_error: None }
    }

    #[test]
    fn a_cold_start_counts_into_the_duration() {
        let mut dispatch = dispatch("{}");
        dispatch.received = 1_000;
        let record = activation(&dispatch, outcome(Some(30)), Vec::new());
        assert_eq!((record.start, record.end, record.duration), (1_010, 1_045, Some(35)));
        assert_eq!(
            serde_json::to_value(&record.annotations).unwrap(),
            json!([
                {"key": "path", "value": "guest/pkg/hello"}, {"key": "kind", "value": "nodejs:20"},
                {"key": "limits", "value": {"timeout": 1000, "memory": 256, "logs": 10, "concurrency": 1}},
                {"key": "timeout", "value": false}, {"key": "waitTime", "value": 10}, {"key": "initTime", "value": 30},
            ])
        );
    }

    #[test]
    fn a_warm_record_has_no_init_time_and_names_its_cause() {
        let mut dispatch = dispatch("{}");
        dispatch.received = 2_000;
        dispatch.cause = Some(dispatch.activation_id);
        dispatch.binding = Some("guest/bound".to_owned());
        let record = activation(&dispatch, outcome(None), Vec::new());
        assert!(record.annotations.get("initTime").is_none());
        assert_eq!(record.annotations.get("waitTime").map(serde_json::value::RawValue::get), Some("0"));
        assert_eq!(record.annotations.string("causedBy").as_deref(), Some("sequence"));
        assert_eq!(record.annotations.string("binding").as_deref(), Some("guest/bound"));
    }

    #[test]
    fn fallback_records_are_of_unknown_kind() {
        let dispatch = dispatch("{}");
        for (error, code, text) in [
            (CodeError::NotFound, 1, "Action could not be found or may have been deleted."),
            (CodeError::Mismatch, 3, "Action version is not compatible and cannot be invoked."),
            (CodeError::Unavailable, 3, "Action could not be fetched."),
        ] {
            let record = fallback(&dispatch, &error, 7);
            assert_eq!((record.response.status.code(), record.duration, record.start), (code, Some(0), 7));
            let result = record.response.result.unwrap();
            assert_eq!(result.get(), format!("{{\"error\":\"{text}\"}}"));
            assert_eq!(record.annotations.string("kind").as_deref(), Some("unknown"));
            assert!(record.annotations.get("limits").is_none());
        }
    }

    #[test]
    fn containers_that_cannot_be_made() {
        let dispatch = dispatch("{}");
        let image = || "me/img".to_owned();
        for (error, code, text) in [
            (CreateError::ImagePull { image: image() }, 2, "Failed to pull container image 'me/img'."),
            (CreateError::CommandNotFound { image: image() }, 2, "executable file not found in image me/img"),
            (
                CreateError::Unsupported { kind: "blackbox".to_owned(), reason: "no engine".to_owned() },
                2,
                "Failed to pull container image 'openwhisk/n20'.",
            ),
            (CreateError::Platform("x".to_owned()), 3, "Failed to provision resources to run the action."),
        ] {
            let response = of_create_error(&error, &dispatch);
            assert_eq!(response.status.code(), code);
            assert_eq!(response.result.unwrap().get(), format!("{{\"error\":\"{text}\"}}"));
        }
    }
}
