//! Actions: their stored form, their API form, and how a `PUT` changes them.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::Malformed;
use crate::exec::{Exec, ExecForm};
use crate::json::{self, Members};
use crate::limits::{ActionLimits, ActionLimitsPatch};
use crate::manifest::Manifest;
use crate::name::{EntityName, EntityPath, FullyQualifiedName};
use crate::parameters::Parameters;
use crate::version::Version;

#[doc(alias = "WhiskAction")]
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub namespace: EntityPath,
    pub name: EntityName,
    pub version: Version,
    pub publish: bool,
    pub annotations: Parameters,
    pub parameters: Parameters,
    pub limits: ActionLimits,
    pub exec: Exec,
    /// Milliseconds since the epoch of the last write.
    pub updated: i64,
}

/// The body of a `PUT`; what is absent keeps its stored or default value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionPut {
    pub exec: Option<Exec>,
    pub parameters: Option<Parameters>,
    pub annotations: Option<Parameters>,
    pub del_annotations: Vec<String>,
    pub limits: Option<ActionLimitsPatch>,
    pub version: Option<Version>,
    pub publish: Option<bool>,
}

/// What a new action gets of which its `PUT` says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewActionDefaults {
    pub limits: ActionLimits,
    /// Annotate that the API key stays out of the container, which gets it where nothing is annotated.
    pub withhold_api_key: bool,
}

/// Why a well-formed `PUT` cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    #[error("exec undefined")]
    ExecUndefined,
    #[error(
        "The '{0}' runtime is no longer supported. You may read and delete but not update or invoke this action."
    )]
    Deprecated(String),
}

const EXEC: &str = "exec";
const PROVIDE_API_KEY: &str = "provide-api-key";

impl ActionPut {
    /// Reads a request body. Members that only the server sets, and unknown ones, are ignored.
    ///
    /// # Errors
    /// When the body is no object, or a member does not have the shape it must have.
    pub fn from_json(
        body: &RawValue,
        manifest: &Manifest,
        namespace: &EntityName,
    ) -> Result<Self, Malformed> {
        let body = Members::read(body)?;
        let member = |name: &str| body.given(name);
        let version = member("version").map(|value| {
            json::string(value)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Malformed::new("requirement failed: bad semantic version"))
        });
        let publish = member("publish").map(|value| {
            json::boolean(value).ok_or_else(|| {
                Malformed(format!("Expected JsTrue or JsFalse, but got {}", json::compact(value)))
            })
        });
        Ok(Self {
            exec: member(EXEC).map(|exec| Exec::from_json(exec, manifest, namespace)).transpose()?,
            parameters: member("parameters").map(Parameters::from_json).transpose()?,
            annotations: member("annotations").map(Parameters::from_json).transpose()?,
            del_annotations: member("delAnnotations").map(read_strings).transpose()?.unwrap_or_default(),
            limits: member("limits").map(ActionLimitsPatch::from_json).transpose()?,
            version: version.transpose()?,
            publish: publish.transpose()?,
        })
    }

    /// A new action.
    ///
    /// # Errors
    /// When there is no `exec`, or its kind is deprecated.
    pub fn create(
        self,
        id: FullyQualifiedName,
        now: i64,
        defaults: NewActionDefaults,
        manifest: &Manifest,
    ) -> Result<Action, PutError> {
        let exec = self.exec.ok_or(PutError::ExecUndefined)?;
        check_not_deprecated(&exec, manifest)?;
        let mut annotations = self.annotations.unwrap_or_default();
        if defaults.withhold_api_key && annotations.get(PROVIDE_API_KEY).is_none() {
            annotations.set(PROVIDE_API_KEY, &false);
        }
        annotations.set(EXEC, exec.kind());
        Ok(Action {
            namespace: id.path,
            name: id.name,
            version: self.version.unwrap_or(Version::FIRST),
            publish: self.publish.unwrap_or(false),
            annotations,
            parameters: parameters_of(&exec, self.parameters, Parameters::new()),
            limits: self.limits.unwrap_or_default().over(defaults.limits),
            exec,
            updated: now,
        })
    }

    /// `stored` with this laid over it.
    ///
    /// # Errors
    /// When the kind it would have is deprecated.
    pub fn update(self, stored: &Action, now: i64, manifest: &Manifest) -> Result<Action, PutError> {
        let exec = self.exec.unwrap_or_else(|| stored.exec.clone());
        check_not_deprecated(&exec, manifest)?;
        let mut annotations = stored.annotations.clone();
        annotations.remove_all(&self.del_annotations);
        let mut annotations = annotations.merged(&self.annotations.unwrap_or_default());
        annotations.set(EXEC, exec.kind());
        let was_sequence = matches!(stored.exec, Exec::Sequence { .. });
        let kept = if was_sequence { Parameters::new() } else { stored.parameters.clone() };
        Ok(Action {
            version: self.version.unwrap_or_else(|| stored.version.next_patch()),
            publish: self.publish.unwrap_or(stored.publish),
            annotations,
            parameters: parameters_of(&exec, self.parameters, kept),
            limits: self.limits.unwrap_or_default().over(stored.limits),
            exec,
            updated: now.max(stored.updated + 1),
            ..stored.clone()
        })
    }
}

/// A sequence's parameters are its components and nothing else; other actions have what was given, or else `kept`.
fn parameters_of(exec: &Exec, given: Option<Parameters>, kept: Parameters) -> Parameters {
    let Exec::Sequence { components } = exec else { return given.unwrap_or(kept) };
    let names: Vec<String> = components.iter().map(|name| format!("/{name}")).collect();
    let mut parameters = Parameters::new();
    parameters.set("_actions", &names);
    parameters
}

/// # Errors
/// When the manifest has the kind only for actions that exist already.
pub(crate) fn check_not_deprecated(exec: &Exec, manifest: &Manifest) -> Result<(), PutError> {
    match manifest.kind(exec.kind()) {
        Some(kind) if kind.deprecated => Err(PutError::Deprecated(kind.kind.clone())),
        _ => Ok(()),
    }
}

fn read_strings(value: &RawValue) -> Result<Vec<String>, Malformed> {
    serde_json::from_str(value.get())
        .map_err(|_| Malformed::new("'delAnnotations' must be an array of strings"))
}

/// The members of an action in answers and documents.
#[derive(Serialize)]
struct Form<'a> {
    namespace: &'a EntityPath,
    name: &'a EntityName,
    version: Version,
    publish: bool,
    annotations: &'a Parameters,
    parameters: &'a Parameters,
    limits: ActionLimits,
    exec: ExecForm<'a>,
    updated: i64,
    #[serde(rename = "entityType", skip_serializing_if = "Option::is_none")]
    entity_type: Option<&'static str>,
}

#[derive(Serialize)]
struct ExecSummary {
    binary: bool,
}

impl Action {
    #[must_use]
    pub fn id(&self) -> FullyQualifiedName {
        FullyQualifiedName::new(self.namespace.clone(), self.name.clone())
    }

    /// # Errors
    /// When its kind is deprecated: it may be read and deleted, but neither updated nor invoked.
    pub fn check_invocable(&self, manifest: &Manifest) -> Result<(), PutError> {
        check_not_deprecated(&self.exec, manifest)
    }

    /// The API key of the caller goes to the container: asked for, or an action from before one had to ask.
    #[must_use]
    pub fn provides_api_key(&self) -> bool {
        self.annotations.is_truthy(PROVIDE_API_KEY, true)
    }

    /// The form clients see, as JSON.
    #[must_use]
    pub fn to_api(&self, with_code: bool) -> Box<RawValue> {
        json::raw(&self.form(with_code, None))
    }

    /// The form databases keep, without the store's own members.
    #[must_use]
    pub fn to_document(&self) -> Box<RawValue> {
        json::raw(&self.form(true, Some("action")))
    }

    fn form(&self, with_code: bool, entity_type: Option<&'static str>) -> Form<'_> {
        Form {
            namespace: &self.namespace,
            name: &self.name,
            version: self.version,
            publish: self.publish,
            annotations: &self.annotations,
            parameters: &self.parameters,
            limits: self.limits,
            exec: self.exec.form(with_code),
            updated: self.updated,
            entity_type,
        }
    }

    /// One entry of a list: no code, no parameters.
    ///
    /// # Errors
    /// When the document is no object.
    pub fn summary(document: &RawValue) -> Result<Box<RawValue>, Malformed> {
        let document = Members::read(document)?;
        let exec = document.get(EXEC).and_then(|exec| Members::read(exec).ok()).unwrap_or_default();
        let exec = json::raw(&ExecSummary { binary: exec.boolean("binary").unwrap_or(false) });
        let mut summary = document.selected(&[
            "namespace",
            "name",
            "version",
            "publish",
            "annotations",
            "limits",
            "updated",
        ]);
        summary.insert(EXEC, &exec);
        Ok(json::raw(&summary))
    }

    /// Reads a stored document. Kinds are checked against the manifest, as OpenWhisk does.
    ///
    /// # Errors
    /// When the document is not an action this platform can read.
    pub fn from_document(
        document: &RawValue,
        manifest: &Manifest,
        defaults: ActionLimits,
    ) -> Result<Self, Malformed> {
        let document = Members::read(document)?;
        let missing = |name: &str| Malformed(format!("'{name}' is missing or malformed"));
        let text = |name: &str| document.string(name).ok_or_else(|| missing(name));
        let namespace: EntityPath = text("namespace")?.parse().map_err(|_| missing("namespace"))?;
        let parameters =
            |name: &str| document.get(name).map_or_else(|| Ok(Parameters::new()), Parameters::from_json);
        let exec = document.get(EXEC).ok_or_else(|| missing(EXEC))?;
        let limits = document.get("limits").ok_or_else(|| Malformed::new("'timeout' is missing"))?;
        Ok(Self {
            exec: Exec::from_stored(exec, manifest, &namespace.namespace)?,
            name: EntityName::new(&text("name")?).map_err(|_| missing("name"))?,
            version: text("version")?.parse().map_err(|_| missing("version"))?,
            publish: document.boolean("publish").unwrap_or(false),
            annotations: parameters("annotations")?,
            parameters: parameters("parameters")?,
            limits: ActionLimits::from_stored(limits, defaults)?,
            updated: document.number("updated").unwrap_or(0),
            namespace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SystemLimits;
    use serde_json::{Value, json};

    fn manifest() -> Manifest {
        Manifest::parse(
            r#"{"runtimes": {"nodejs": [{"kind": "nodejs:20", "default": true, "image": {"name": "n"}},
                                        {"kind": "nodejs:6", "deprecated": true, "image": {"name": "o"}}]}}"#,
        )
        .unwrap()
    }

    fn put(body: Value) -> ActionPut {
        ActionPut::from_json(&json::raw(&body), &manifest(), &EntityName::new("me").unwrap()).unwrap()
    }

    fn value(parameters: &Parameters, key: &str) -> Value {
        serde_json::from_str(parameters.get(key).unwrap().get()).unwrap()
    }

    fn id() -> FullyQualifiedName {
        FullyQualifiedName::parse("me/a", &EntityName::new("me").unwrap()).unwrap()
    }

    fn create(body: Value) -> Result<Action, PutError> {
        create_with(body, true)
    }

    fn create_with(body: Value, withhold_api_key: bool) -> Result<Action, PutError> {
        let limits = SystemLimits::default().default_action_limits();
        put(body).create(id(), 1, NewActionDefaults { limits, withhold_api_key }, &manifest())
    }

    #[test]
    fn a_new_action_has_its_automatic_annotations() {
        let exec = json!({"kind": "nodejs:default", "code": "x"});
        let action = create(json!({"exec": exec, "annotations": [{"key": "exec", "value": "foo"}]})).unwrap();
        assert_eq!(value(&action.annotations, "exec"), json!("nodejs:20"));
        assert_eq!(value(&action.annotations, "provide-api-key"), json!(false));
        assert_eq!(action.version.to_string(), "0.0.1");
        assert_eq!(create(json!({})), Err(PutError::ExecUndefined));
        let old = create(json!({"exec": {"kind": "nodejs:6", "code": "x"}}));
        assert_eq!(old, Err(PutError::Deprecated("nodejs:6".to_owned())));
    }

    #[test]
    fn the_api_key_is_withheld_only_where_the_deployment_wants_it() {
        let body = || json!({"exec": {"kind": "nodejs:20", "code": "x"}});
        assert!(!create_with(body(), true).unwrap().provides_api_key());
        let free = create_with(body(), false).unwrap();
        assert!(free.annotations.get("provide-api-key").is_none());
        assert!(free.provides_api_key());
    }

    #[test]
    fn an_update_merges() {
        let stored = create(json!({
            "exec": {"kind": "nodejs:20", "code": "x"}, "parameters": [{"key": "p", "value": 1}],
            "annotations": [{"key": "a", "value": 1}, {"key": "gone", "value": 1}], "limits": {"timeout": 1000}
        }))
        .unwrap();
        let update = put(json!({
            "annotations": [{"key": "b", "value": 2}], "delAnnotations": ["gone"], "limits": {"memory": 512}
        }));
        let updated = update.update(&stored, 1, &manifest()).unwrap();
        assert_eq!(updated.version.to_string(), "0.0.2");
        assert_eq!((updated.limits.timeout, updated.limits.memory), (1000, 512));
        assert_eq!(value(&updated.annotations, "a"), json!(1));
        assert_eq!(value(&updated.annotations, "b"), json!(2));
        assert!(updated.annotations.get("gone").is_none());
        assert_eq!(updated.parameters, stored.parameters);
        assert!(updated.updated > stored.updated);
    }

    #[test]
    fn a_sequence_that_becomes_code_loses_its_components() {
        let sequence = create(json!({"exec": {"kind": "sequence", "components": ["/_/b"]}})).unwrap();
        assert_eq!(value(&sequence.parameters, "_actions"), json!(["/me/b"]));
        let code = put(json!({"exec": {"kind": "nodejs:20", "code": "x"}}));
        assert!(code.update(&sequence, 2, &manifest()).unwrap().parameters.is_empty());
    }

    #[test]
    fn a_document_reads_back_as_it_was() {
        let action = create(json!({
            "exec": {"kind": "nodejs:20", "code": "x", "main": "m"}, "limits": {"instances": 3},
            "parameters": [{"key": "p", "value": null, "init": true}]
        }))
        .unwrap();
        let defaults = SystemLimits::default().default_action_limits();
        assert_eq!(Action::from_document(&action.to_document(), &manifest(), defaults), Ok(action));
    }
}
