//! What an action runs: code for a managed runtime, a container image, or a sequence of other actions.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::Malformed;
use crate::image::ImageName;
use crate::json::{self, Members};
use crate::manifest::{Manifest, RuntimeKind};
use crate::name::{EntityName, FullyQualifiedName};

/// Code in the document itself, or kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Code {
    /// As the client sent it: source text, or base64 of an archive or executable.
    Inline(Arc<str>),
    Attached(Attachment),
}

/// Where code is kept outside its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// A URI whose scheme tells the store: `mem:`, `couch:`, `sqlite:`, or a bare legacy name.
    #[serde(rename = "attachmentName")]
    pub name: String,
    #[serde(rename = "attachmentType")]
    pub content_type: String,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exec {
    /// A kind of the manifest.
    Managed { kind: String, code: Code, main: Option<String>, binary: bool },
    /// An image that its author chose, perhaps with code for it.
    Blackbox { image: ImageName, code: Option<Code>, main: Option<String>, binary: bool },
    /// Components in order, as stored (their bindings not resolved).
    Sequence { components: Vec<FullyQualifiedName> },
}

/// The `exec` member of API answers and documents.
#[derive(Debug, Serialize)]
pub struct ExecForm<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    main: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a Code>,
}

pub const BLACKBOX: &str = "blackbox";
pub const SEQUENCE: &str = "sequence";

impl Exec {
    /// Reads what a client sent as `exec`. `_` in components stands for `namespace`.
    ///
    /// # Errors
    /// When a member is missing or of the wrong type, or the kind is not in the manifest.
    pub fn from_json(
        value: &RawValue,
        manifest: &Manifest,
        namespace: &EntityName,
    ) -> Result<Self, Malformed> {
        Self::read(value, manifest, namespace, |kind| kind.attached.is_some())
    }

    /// Reads what a document has as `exec`: as [`Exec::from_json`], but code may be kept beside the document whatever
    /// the manifest says of its kind.
    ///
    /// # Errors
    /// As [`Exec::from_json`].
    pub fn from_stored(
        value: &RawValue,
        manifest: &Manifest,
        namespace: &EntityName,
    ) -> Result<Self, Malformed> {
        Self::read(value, manifest, namespace, |_| true)
    }

    fn read(
        value: &RawValue,
        manifest: &Manifest,
        namespace: &EntityName,
        attachable: impl Fn(&RuntimeKind) -> bool,
    ) -> Result<Self, Malformed> {
        let exec = Members::read(value).map_err(|_| Malformed::new("'exec' must be an object"))?;
        let kind =
            exec.string("kind").ok_or_else(|| Malformed::new("'kind' must be a string defined in 'exec'"))?;
        match kind.trim().to_lowercase().as_str() {
            SEQUENCE => read_sequence(&exec, namespace),
            BLACKBOX => read_blackbox(&exec),
            name => match manifest.resolve(name) {
                Some(kind) => read_managed(&exec, kind, attachable(kind)),
                None => Err(unknown_kind(name, manifest)),
            },
        }
    }

    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Managed { kind, .. } => kind,
            Self::Blackbox { .. } => BLACKBOX,
            Self::Sequence { .. } => SEQUENCE,
        }
    }

    /// The code is base64 of something that is no source text.
    #[must_use]
    pub fn binary(&self) -> bool {
        match self {
            Self::Managed { binary, .. } | Self::Blackbox { binary, .. } => *binary,
            Self::Sequence { .. } => false,
        }
    }

    #[must_use]
    pub fn main(&self) -> Option<&str> {
        match self {
            Self::Managed { main, .. } | Self::Blackbox { main, .. } => main.as_deref(),
            Self::Sequence { .. } => None,
        }
    }

    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::Managed { code, .. } => Some(code),
            Self::Blackbox { code, .. } => code.as_ref(),
            Self::Sequence { .. } => None,
        }
    }

    /// Replaces where the code is; nothing else changes.
    pub fn set_code(&mut self, new: Code) {
        match self {
            Self::Managed { code, .. } => *code = new,
            Self::Blackbox { code, .. } => *code = Some(new),
            Self::Sequence { .. } => {}
        }
    }

    /// Bytes of code, main and image: what the exec size limit counts.
    #[must_use]
    pub fn size(&self) -> u64 {
        let code = match self.code() {
            Some(Code::Inline(text)) => text.len() as u64,
            Some(Code::Attached(attachment)) => attachment.length.unwrap_or(0),
            None => 0,
        };
        let image = match self {
            Self::Blackbox { image, .. } => image.to_string().len() as u64,
            _ => 0,
        };
        code + image + self.main().map_or(0, |main| main.len() as u64)
    }

    /// The `exec` member of API answers and documents. Without `with_code`, `code` is left out.
    #[must_use]
    pub fn form(&self, with_code: bool) -> ExecForm<'_> {
        let (mut components, mut image) = (None, None);
        match self {
            Self::Sequence { components: names } => {
                components = Some(names.iter().map(|name| format!("/{name}")).collect());
            }
            Self::Blackbox { image: chosen, .. } => image = Some(chosen.to_string()),
            Self::Managed { .. } => {}
        }
        ExecForm {
            kind: self.kind(),
            binary: components.is_none().then(|| self.binary()),
            components,
            image,
            main: self.main(),
            code: self.code().filter(|_| with_code),
        }
    }
}

impl Code {
    fn from_json(value: &RawValue) -> Option<Self> {
        if let Some(text) = json::string(value) {
            return Some(Self::Inline(text.into()));
        }
        let members = Members::read(value).ok()?;
        Some(Self::Attached(Attachment {
            name: members.string("attachmentName")?.into_owned(),
            content_type: members.string("attachmentType")?.into_owned(),
            length: members.number("length"),
            digest: members.string("digest").map(Cow::into_owned),
        }))
    }

    /// Whether it is binary, which a document may have to tell when the code is elsewhere.
    fn is_binary(&self, exec: &Members<'_>) -> bool {
        match self {
            Self::Inline(text) => is_base64(text),
            Self::Attached(_) => exec.boolean("binary").unwrap_or(false),
        }
    }
}

fn read_managed(exec: &Members<'_>, runtime: &RuntimeKind, attachable: bool) -> Result<Exec, Malformed> {
    let kind = &runtime.kind;
    let code = exec.get("code").or_else(|| exec.get("jar").filter(|_| kind.starts_with("java")));
    let code = match code.and_then(Code::from_json) {
        Some(code @ Code::Inline(_)) => code,
        Some(code) if attachable => code,
        _ if attachable => {
            return Err(Malformed(format!(
                "'code' must be a string or attachment object defined in 'exec' for '{kind}' actions"
            )));
        }
        _ => {
            return Err(Malformed(format!("'code' must be a string defined in 'exec' for '{kind}' actions")));
        }
    };
    let main = read_main(exec, kind)?;
    if runtime.require_main && main.is_none() {
        return Err(Malformed(format!("'main' must be a string defined in 'exec' for '{kind}' actions")));
    }
    let binary = code.is_binary(exec);
    Ok(Exec::Managed { kind: kind.clone(), code, main, binary })
}

fn read_blackbox(exec: &Members<'_>) -> Result<Exec, Malformed> {
    let image = exec
        .string("image")
        .ok_or_else(|| Malformed::new("'image' must be a string defined in 'exec' for 'blackbox' actions"))?;
    let image = image.trim().parse().map_err(|error| Malformed(format!("{error}")))?;
    let blank = |code: &Code| matches!(code, Code::Inline(text) if text.trim().is_empty());
    let code = exec.given("code").map(|value| {
        Code::from_json(value).ok_or_else(|| {
            Malformed::new("if defined, 'code' must a string defined in 'exec' for 'blackbox' actions")
        })
    });
    let code = code.transpose()?.filter(|code| !blank(code));
    let binary = code.as_ref().is_some_and(|code| code.is_binary(exec));
    Ok(Exec::Blackbox { image, code, main: read_main(exec, BLACKBOX)?, binary })
}

fn read_main(exec: &Members<'_>, kind: &str) -> Result<Option<String>, Malformed> {
    let text = |value| {
        json::string(value).map(Cow::into_owned).ok_or_else(|| {
            Malformed(format!("if defined, 'main' be a string in 'exec' for '{kind}' actions"))
        })
    };
    exec.given("main").map(text).transpose()
}

fn read_sequence(exec: &Members<'_>, namespace: &EntityName) -> Result<Exec, Malformed> {
    let components = exec
        .given("components")
        .ok_or_else(|| Malformed::new("'components' must be defined for sequence kind"))?;
    let components: Vec<&RawValue> = serde_json::from_str(components.get())
        .map_err(|_| Malformed::new("'components' must be an array"))?;
    let read = |component: &RawValue| {
        let text = json::string(component)
            .ok_or_else(|| Malformed::new("'components' must be an array of strings"))?;
        FullyQualifiedName::parse(&text, namespace)
            .map_err(|error| Malformed(format!("requirement failed: {error}")))
    };
    let components = components.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Exec::Sequence { components })
}

fn unknown_kind(name: &str, manifest: &Manifest) -> Malformed {
    let valid: Vec<String> = manifest.valid_kinds().iter().map(|kind| format!("'{kind}'")).collect();
    Malformed(format!(
        "The specified runtime '{name}' is not supported by this platform. Valid values are: {}.",
        valid.join(", ")
    ))
}

/// Canonical base64: groups of four, padding only at the end, not empty. Source text that looks so counts as binary too.
#[must_use]
pub fn is_base64(text: &str) -> bool {
    let bytes = text.trim().as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(4) {
        return false;
    }
    let padding = bytes.iter().rev().take_while(|b| **b == b'=').count();
    padding <= 2
        && bytes[..bytes.len() - padding]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use serde_json::{Value, json};

    fn read(exec: Value) -> Result<Exec, String> {
        let manifest = Manifest::parse(
            r#"{"runtimes": {
            "nodejs": [{"kind": "nodejs:20", "image": {"name": "n"},
                        "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"}}],
            "go": [{"kind": "go:1", "image": {"name": "g"}}],
            "java": [{"kind": "java:8", "requireMain": true, "image": {"name": "j"}}]}}"#,
        );
        let me = EntityName::new("me").unwrap();
        Exec::from_json(&crate::json::raw(&exec), &manifest.unwrap(), &me).map_err(|error| error.to_string())
    }

    #[test]
    fn kinds_are_trimmed_lowered_and_resolved() {
        for kind in [" NODEJS:20 ", "nodejs:default", "nodejs:20"] {
            assert_eq!(read(json!({"kind": kind, "code": "x"})).unwrap().kind(), "nodejs:20");
        }
    }

    #[test]
    fn faults_are_openwhisk_texts() {
        for (exec, text) in [
            (json!({}), "'kind' must be a string defined in 'exec'"),
            (
                json!({"kind": "nodejs:20"}),
                "'code' must be a string or attachment object defined in 'exec' for 'nodejs:20' actions",
            ),
            (json!({"kind": "go:1"}), "'code' must be a string defined in 'exec' for 'go:1' actions"),
            (
                json!({"kind": "java:8", "jar": "x"}),
                "'main' must be a string defined in 'exec' for 'java:8' actions",
            ),
            (
                json!({"kind": "go:1", "code": "x", "main": 1}),
                "if defined, 'main' be a string in 'exec' for 'go:1' actions",
            ),
            (
                json!({"kind": "blackbox"}),
                "'image' must be a string defined in 'exec' for 'blackbox' actions",
            ),
            (json!({"kind": "blackbox", "image": "a b"}), "could not parse image name"),
            (json!({"kind": "sequence"}), "'components' must be defined for sequence kind"),
            (json!({"kind": "sequence", "components": 1}), "'components' must be an array"),
        ] {
            assert_eq!(read(exec.clone()).unwrap_err(), text, "{exec}");
        }
        assert!(read(json!({"kind": "cobol"})).unwrap_err().starts_with(
            "The specified runtime 'cobol' is not supported by this platform. Valid values are: 'go:1', "
        ));
    }

    #[test]
    fn stored_code_may_be_beside_its_document_whatever_its_kind() {
        let manifest =
            Manifest::parse(r#"{"runtimes": {"go": [{"kind": "go:1", "image": {"name": "g"}}]}}"#).unwrap();
        let code = json!({"attachmentName": "sqlite:1", "attachmentType": "text/plain"});
        let exec = json::raw(&json!({"kind": "go:1", "code": code, "binary": true}));
        let me = EntityName::new("me").unwrap();
        assert!(Exec::from_json(&exec, &manifest, &me).is_err());
        let stored = Exec::from_stored(&exec, &manifest, &me).unwrap();
        assert!(stored.binary() && matches!(stored.code(), Some(Code::Attached(_))));
    }

    #[test]
    fn base64_is_told_from_source() {
        for (text, binary) in [
            ("UEsDBA==", true),
            ("abcd", true),
            ("function main(){}", false),
            ("abc", false),
            ("", false),
            ("a===", false),
        ] {
            assert_eq!(is_base64(text), binary, "{text}");
        }
    }

    #[test]
    fn sequences_show_absolute_components() {
        let exec = read(json!({"kind": "sequence", "components": ["/_/a", "x/p/b"]})).unwrap();
        assert_eq!(
            serde_json::to_value(exec.form(true)).unwrap(),
            json!({"kind": "sequence", "components": ["/me/a", "/x/p/b"]})
        );
    }
}
