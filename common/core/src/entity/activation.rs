//! The record of one activation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::id::ActivationId;
use crate::name::EntityName;
use crate::parameters::Parameters;
use crate::version::Version;

/// How an activation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Status {
    Success,
    /// The action itself reported an error, and its container stays.
    ApplicationError,
    /// The container, its initialisation or its run failed.
    DeveloperError,
    /// The platform failed.
    WhiskError,
}

impl Status {
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::ApplicationError => 1,
            Self::DeveloperError => 2,
            Self::WhiskError => 3,
        }
    }

    /// The word that clients see.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ApplicationError => "application error",
            Self::DeveloperError => "action developer error",
            Self::WhiskError => "whisk internal error",
        }
    }
}

impl From<Status> for u8 {
    fn from(status: Status) -> Self {
        status.code()
    }
}

impl TryFrom<u8> for Status {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, String> {
        [Self::Success, Self::ApplicationError, Self::DeveloperError, Self::WhiskError]
            .into_iter()
            .find(|status| status.code() == code)
            .ok_or_else(|| format!("unknown status code {code}"))
    }
}

/// What an activation answered. The result is kept as the bytes that the container sent: nothing parses it twice.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: Status,
    pub result: Option<Arc<RawValue>>,
    /// Bytes of the result, where known.
    pub size: Option<u64>,
}

impl Response {
    /// An error whose result is `{"error": message}`.
    #[must_use]
    pub fn error(status: Status, message: &str) -> Self {
        Self::error_value(status, &Value::from(message))
    }

    /// An error whose result is `{"error": value}`.
    #[must_use]
    pub fn error_value(status: Status, value: &Value) -> Self {
        let text = format!("{{\"error\":{value}}}");
        let size = text.len() as u64;
        let result = RawValue::from_string(text).ok().map(Arc::from);
        Self { status, result, size: Some(size) }
    }
}

#[doc(alias = "WhiskActivation")]
#[derive(Clone, Debug)]
pub struct Activation {
    /// The invoking namespace.
    pub namespace: EntityName,
    pub name: EntityName,
    pub version: Version,
    pub subject: Arc<str>,
    pub activation_id: ActivationId,
    /// Milliseconds since the epoch.
    pub start: i64,
    /// Milliseconds since the epoch; 0 for trigger activations, which do not end.
    pub end: i64,
    /// Milliseconds, with initialisation and without waiting.
    pub duration: Option<u64>,
    /// The enclosing sequence or composition.
    pub cause: Option<ActivationId>,
    pub response: Response,
    pub logs: Vec<String>,
    pub annotations: Parameters,
    pub publish: bool,
}

/// The member order of a record, shared by the API form and the stored form.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a, R: Serialize, A: Serialize> {
    namespace: &'a EntityName,
    name: &'a EntityName,
    version: Version,
    subject: &'a str,
    activation_id: ActivationId,
    start: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<ActivationId>,
    response: R,
    logs: &'a [String],
    annotations: A,
    publish: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
}

/// Members of a list entry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a, A: Serialize> {
    namespace: &'a EntityName,
    name: &'a EntityName,
    version: Version,
    publish: bool,
    annotations: A,
    activation_id: ActivationId,
    start: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<ActivationId>,
}

#[derive(Serialize)]
struct ApiResponse<'a> {
    status: &'static str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StoredResponse<'a> {
    status_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// What a stored record holds; older documents lack some members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    namespace: EntityName,
    name: EntityName,
    #[serde(default)]
    version: Option<Version>,
    subject: Arc<str>,
    activation_id: ActivationId,
    start: i64,
    #[serde(default)]
    end: i64,
    #[serde(default)]
    duration: Option<u64>,
    #[serde(default)]
    cause: Option<ActivationId>,
    response: StoredResponseRead,
    #[serde(default)]
    logs: Vec<String>,
    #[serde(default)]
    annotations: Parameters,
    #[serde(default)]
    publish: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredResponseRead {
    status_code: Status,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    size: Option<u64>,
}

/// Bytes of a record but for its result and its logs, as most records are.
const TEXT_SIZE: usize = 640;

impl Activation {
    /// What is kept of a record that is too large with its logs: it without them, and a line that says so. `limit` in
    /// bytes.
    #[must_use]
    pub fn stripped_of_logs(&self, limit: usize) -> Self {
        let line = format!("Logs were left out because the record exceeds the limit of {limit} bytes.");
        Self { logs: vec![line], ..self.clone() }
    }

    /// The record as clients see it: a status word instead of a code, times left out where it never ended.
    #[must_use]
    pub fn to_api(&self) -> String {
        self.to_text(&self.form(self.api_response(), None, &self.logs, &self.annotations))
    }

    /// As [`Activation::to_api`] with no logs: what a blocking invocation answers, which never waits for them.
    #[must_use]
    pub fn to_api_without_logs(&self) -> String {
        self.to_text(&self.form(self.api_response(), None, &[], &self.annotations))
    }

    /// The `response` member alone.
    #[must_use]
    pub fn response_to_api(&self) -> String {
        self.to_text(&self.api_response())
    }

    /// The record as databases keep it. `updated` is the time of writing in milliseconds since the epoch.
    #[must_use]
    pub fn to_document(&self, updated: i64) -> String {
        self.to_text(&self.document(updated, &self.annotations))
    }

    /// Appends the list entry and then the record as databases keep it, as [`Activation::summary`] and
    /// [`Activation::to_document`] have them: for less than both, since they share their largest member. Returns the
    /// length of the entry.
    pub fn write_summary_and_document(&self, updated: i64, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        // A list of named values serialises without failing, as all of these types do.
        let annotations = serde_json::value::to_raw_value(&self.annotations).unwrap_or_default();
        out.reserve(self.text_size() + 2 * annotations.get().len());
        write_text(&self.list_entry(&annotations), out);
        let length = out.len() - start;
        write_text(&self.document(updated, &annotations), out);
        length
    }

    /// # Errors
    /// When the text is no stored record.
    pub fn from_document(text: &str) -> Result<Self, serde_json::Error> {
        let stored: Stored = serde_json::from_str(text)?;
        Ok(Self {
            namespace: stored.namespace,
            name: stored.name,
            version: stored.version.unwrap_or(Version::FIRST),
            subject: stored.subject,
            activation_id: stored.activation_id,
            start: stored.start,
            end: stored.end,
            duration: stored.duration,
            cause: stored.cause,
            response: Response {
                status: stored.response.status_code,
                result: stored.response.result.map(Arc::from),
                size: stored.response.size,
            },
            logs: stored.logs,
            annotations: stored.annotations,
            publish: stored.publish,
        })
    }

    /// One entry of a list, as JSON.
    #[must_use]
    pub fn summary(&self) -> String {
        self.to_text(&self.list_entry(&self.annotations))
    }

    /// The name that `?name=` filters by: the record's name, with its package where it ran from one
    /// (the binding's name where it was invoked through a binding).
    #[must_use]
    pub fn filter_name(&self) -> String {
        let binding = self.annotations.string("binding");
        if let Some((_, binding)) = binding.as_deref().and_then(|binding| binding.split_once('/')) {
            return format!("{binding}/{}", self.name);
        }
        let path = self.annotations.string("path");
        match path.as_deref().map(|path| path.split('/').collect::<Vec<_>>()).as_deref() {
            Some([_, package, _]) => format!("{package}/{}", self.name),
            _ => self.name.to_string(),
        }
    }

    /// Compact JSON of a form of this record.
    fn to_text(&self, value: &impl Serialize) -> String {
        let mut text = Vec::with_capacity(self.text_size());
        write_text(value, &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// About as long as a form of this record is, so that its buffer rarely has to grow.
    fn text_size(&self) -> usize {
        let result = self.response.result.as_ref().map_or(0, |result| result.get().len());
        TEXT_SIZE + result + self.logs.iter().map(|line| line.len() + 8).sum::<usize>()
    }

    fn api_response(&self) -> ApiResponse<'_> {
        ApiResponse {
            status: self.response.status.word(),
            success: self.response.status == Status::Success,
            result: self.response.result.as_deref(),
            size: self.response.size,
        }
    }

    fn list_entry<A: Serialize>(&self, annotations: A) -> Summary<'_, A> {
        let ended = self.end != 0;
        Summary {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations,
            activation_id: self.activation_id,
            start: self.start,
            end: ended.then_some(self.end),
            duration: ended.then_some(self.end - self.start),
            status_code: ended.then_some(self.response.status),
            cause: self.cause,
        }
    }

    fn document<A: Serialize>(&self, updated: i64, annotations: A) -> Form<'_, StoredResponse<'_>, A> {
        let response = StoredResponse {
            status_code: self.response.status.code(),
            result: self.response.result.as_deref(),
            size: self.response.size,
        };
        self.form(response, Some(updated), &self.logs, annotations)
    }

    fn form<'a, R: Serialize, A: Serialize>(
        &'a self,
        response: R,
        updated: Option<i64>,
        logs: &'a [String],
        annotations: A,
    ) -> Form<'a, R, A> {
        let stored = updated.is_some();
        Form {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            subject: &self.subject,
            activation_id: self.activation_id,
            start: self.start,
            end: (stored || self.end != 0).then_some(self.end),
            duration: self.duration.filter(|_| stored || self.end != 0),
            cause: self.cause,
            response,
            logs,
            annotations,
            publish: self.publish,
            entity_type: stored.then_some("activation"),
            updated,
        }
    }
}

/// Appends compact JSON. These types serialise without failing: no maps with other keys than strings, no fallible values.
fn write_text(value: &impl Serialize, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "a record does not serialise");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(end: i64) -> Activation {
        let mut annotations = Parameters::new();
        annotations.set("path", "me/pkg/a");
        Activation {
            namespace: EntityName::new("me").unwrap(),
            name: EntityName::new("a").unwrap(),
            version: Version::FIRST,
            subject: "me".into(),
            activation_id: ActivationId::generate(),
            start: 5,
            end,
            duration: (end != 0).then_some(3),
            cause: None,
            response: Response::error(Status::ApplicationError, "no"),
            logs: vec![],
            annotations,
            publish: false,
        }
    }

    #[test]
    fn clients_see_words_and_stores_see_codes() {
        let record = record(8);
        let api: Value = serde_json::from_str(&record.to_api()).unwrap();
        let response =
            json!({"status": "application error", "success": false, "result": {"error": "no"}, "size": 14});
        assert_eq!(api["response"], response);
        assert!(api.get("updated").is_none() && api.get("entityType").is_none());
        let text = record.to_document(9);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["response"]["statusCode"], 1);
        assert_eq!((&document["updated"], &document["entityType"]), (&json!(9), &json!("activation")));
        assert_eq!(Activation::from_document(&text).unwrap().to_document(9), text);
        let mut both = b"before".to_vec();
        let length = record.write_summary_and_document(9, &mut both);
        assert_eq!(String::from_utf8(both).unwrap(), format!("before{}{text}", record.summary()));
        assert_eq!(length, record.summary().len());
    }

    #[test]
    fn a_trigger_record_never_ends() {
        let record = record(0);
        let api: Value = serde_json::from_str(&record.to_api()).unwrap();
        let summary: Value = serde_json::from_str(&record.summary()).unwrap();
        for member in ["end", "duration", "statusCode"] {
            assert!(api.get(member).is_none() && summary.get(member).is_none(), "{member}");
        }
    }

    #[test]
    fn records_are_filtered_by_package_and_binding() {
        let mut record = record(8);
        assert_eq!(record.filter_name(), "pkg/a");
        record.annotations.set("binding", "me/bound");
        assert_eq!(record.filter_name(), "bound/a");
        record.annotations = Parameters::new();
        assert_eq!(record.filter_name(), "a");
    }
}
