//! Actions: their stored form, their API form, and how a `PUT` changes them.

use serde_json::{Map, Value, json};

use crate::Malformed;
use crate::exec::Exec;
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
    pub fn from_json(body: &Value, manifest: &Manifest, namespace: &EntityName) -> Result<Self, Malformed> {
        let body = body.as_object().ok_or_else(|| Malformed::new("JSON object expected"))?;
        let member = |name: &str| body.get(name).filter(|value| !value.is_null());
        let version = member("version").map(|value| {
            value
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Malformed::new("requirement failed: bad semantic version"))
        });
        let publish = member("publish").map(|value| {
            value.as_bool().ok_or_else(|| Malformed(format!("Expected JsTrue or JsFalse, but got {value}")))
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
            annotations.set(PROVIDE_API_KEY, false);
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
        self.del_annotations.iter().for_each(|key| annotations.remove(key));
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
    parameters.set("_actions", names);
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

fn read_strings(value: &Value) -> Result<Vec<String>, Malformed> {
    let malformed = || Malformed::new("'delAnnotations' must be an array of strings");
    let read = |text: &Value| text.as_str().map(str::to_owned).ok_or_else(malformed);
    value.as_array().ok_or_else(malformed)?.iter().map(read).collect()
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

    /// The form clients see.
    #[must_use]
    pub fn to_api(&self, with_code: bool) -> Value {
        json!({
            "namespace": self.namespace, "name": self.name, "version": self.version, "publish": self.publish,
            "annotations": self.annotations.to_json(), "parameters": self.parameters.to_json(),
            "limits": self.limits, "exec": self.exec.to_json(with_code), "updated": self.updated,
        })
    }

    /// The form databases keep, without the store's own members.
    #[must_use]
    pub fn to_document(&self) -> Value {
        let mut document = self.to_api(true);
        document["entityType"] = "action".into();
        document
    }

    /// One entry of a list: no code, no parameters.
    #[must_use]
    pub fn summary(document: &Value) -> Value {
        let binary = document.pointer("/exec/binary").and_then(Value::as_bool).unwrap_or(false);
        let mut summary = Map::new();
        for name in ["namespace", "name", "version", "publish", "annotations", "limits", "updated"] {
            if let Some(value) = document.get(name) {
                summary.insert(name.to_owned(), value.clone());
            }
        }
        summary.insert(EXEC.to_owned(), json!({"binary": binary}));
        Value::Object(summary)
    }

    /// Reads a stored document. Kinds are checked against the manifest, as OpenWhisk does.
    ///
    /// # Errors
    /// When the document is not an action this platform can read.
    pub fn from_document(
        document: &Value,
        manifest: &Manifest,
        defaults: ActionLimits,
    ) -> Result<Self, Malformed> {
        let missing = |name: &str| Malformed(format!("'{name}' is missing or malformed"));
        let text = |name: &str| document.get(name).and_then(Value::as_str).ok_or_else(|| missing(name));
        let namespace: EntityPath = text("namespace")?.parse().map_err(|_| missing("namespace"))?;
        let parameters =
            |name: &str| document.get(name).map_or_else(|| Ok(Parameters::new()), Parameters::from_json);
        let exec = document.get(EXEC).ok_or_else(|| missing(EXEC))?;
        let limits = document.get("limits").ok_or_else(|| Malformed::new("'timeout' is missing"))?;
        Ok(Self {
            exec: Exec::from_json(exec, manifest, &namespace.namespace)?,
            name: EntityName::new(text("name")?).map_err(|_| missing("name"))?,
            version: text("version")?.parse().map_err(|_| missing("version"))?,
            publish: document.get("publish").and_then(Value::as_bool).unwrap_or(false),
            annotations: parameters("annotations")?,
            parameters: parameters("parameters")?,
            limits: ActionLimits::from_stored(limits, defaults)?,
            updated: document.get("updated").and_then(Value::as_i64).unwrap_or(0),
            namespace,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SystemLimits;

    fn manifest() -> Manifest {
        Manifest::parse(
            r#"{"runtimes": {"nodejs": [{"kind": "nodejs:20", "default": true, "image": {"name": "n"}},
                                        {"kind": "nodejs:6", "deprecated": true, "image": {"name": "o"}}]}}"#,
        )
        .unwrap()
    }

    fn put(body: Value) -> ActionPut {
        ActionPut::from_json(&body, &manifest(), &EntityName::new("me").unwrap()).unwrap()
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
        assert_eq!(action.annotations.get("exec"), Some(&json!("nodejs:20")));
        assert_eq!(action.annotations.get("provide-api-key"), Some(&json!(false)));
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
        assert_eq!(free.annotations.get("provide-api-key"), None);
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
        assert_eq!(updated.annotations.get("a"), Some(&json!(1)));
        assert_eq!(updated.annotations.get("b"), Some(&json!(2)));
        assert_eq!(updated.annotations.get("gone"), None);
        assert_eq!(updated.parameters, stored.parameters);
        assert!(updated.updated > stored.updated);
    }

    #[test]
    fn a_sequence_that_becomes_code_loses_its_components() {
        let sequence = create(json!({"exec": {"kind": "sequence", "components": ["/_/b"]}})).unwrap();
        assert_eq!(sequence.parameters.get("_actions"), Some(&json!(["/me/b"])));
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
