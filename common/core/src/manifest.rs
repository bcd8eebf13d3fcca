//! The runtimes manifest: which kinds exist and which image runs each.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::image::ImageName;
use crate::size::ByteSize;

/// One kind of a runtime family, as `runtimes.json` declares it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeKind {
    pub kind: String,
    pub image: ImageName,
    #[serde(default, rename = "default")]
    pub is_default: bool,
    #[serde(default)]
    pub deprecated: bool,
    #[serde(default)]
    pub require_main: bool,
    #[serde(default = "yes")]
    pub sentinelled_logs: bool,
    /// OpenWhisk stores the code of such kinds as attachments. Here that depends on its size alone; what is left of this
    /// is that clients may give an attachment object as `code`.
    #[serde(default)]
    pub attached: Option<Attached>,
    #[serde(default)]
    pub stem_cells: Vec<StemCell>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    pub attachment_name: String,
    pub attachment_type: String,
}

/// Containers of a kind kept started and not initialised.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StemCell {
    #[serde(alias = "count")]
    pub initial_count: u32,
    pub memory: ByteSize,
    #[serde(default)]
    pub reactive: Option<ReactivePrewarm>,
}

/// How the number of stem cells follows the cold starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactivePrewarm {
    pub min_count: u32,
    pub max_count: u32,
    /// A duration such as `2 minutes`.
    pub ttl: String,
    pub threshold: u32,
    pub increment: u32,
}

/// All kinds, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    families: BTreeMap<String, Vec<RuntimeKind>>,
    blackboxes: Vec<ImageName>,
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("the runtimes manifest is not valid: {0}")]
    Json(String),
    #[error("kind '{kind}' of family '{family}' must be '{family}' or '{family}:<version>' in lower case")]
    KindName { family: String, kind: String },
    #[error("kind '{0}' is declared twice")]
    Twice(String),
    #[error("family '{0}' has no kinds")]
    Empty(String),
    #[error("family '{0}' has several kinds and needs exactly one with \"default\": true")]
    NoSingleDefault(String),
}

#[derive(Deserialize)]
struct RawManifest {
    runtimes: BTreeMap<String, Vec<RuntimeKind>>,
    #[serde(default)]
    blackboxes: Vec<ImageName>,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// # Errors
    /// When the text is no manifest, or its kinds break the rules above.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let raw: RawManifest =
            serde_json::from_str(text).map_err(|error| ManifestError::Json(error.to_string()))?;
        let mut seen = std::collections::BTreeSet::new();
        let mut families = BTreeMap::new();
        for (family, mut kinds) in raw.runtimes {
            check_family(&family, &mut kinds)?;
            if let Some(twice) = kinds.iter().find(|kind| !seen.insert(kind.kind.clone())) {
                return Err(ManifestError::Twice(twice.kind.clone()));
            }
            families.insert(family, kinds);
        }
        Ok(Self { families, blackboxes: raw.blackboxes })
    }

    pub fn kinds(&self) -> impl Iterator<Item = &RuntimeKind> {
        self.families.values().flatten()
    }

    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&RuntimeKind> {
        self.kinds().find(|kind| kind.kind == name)
    }

    /// Resolves `family:default`; any other name stands for itself.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&RuntimeKind> {
        match name.strip_suffix(":default") {
            Some(family) => self.families.get(family)?.iter().find(|kind| kind.is_default),
            None => self.kind(name),
        }
    }

    /// Every name a client may use for `exec.kind`.
    #[must_use]
    pub fn valid_kinds(&self) -> Vec<&str> {
        self.kinds().map(|kind| kind.kind.as_str()).chain(["blackbox", "sequence"]).collect()
    }

    /// The image is one of the manifest's `blackboxes`: known to the operator, used without pulling.
    #[must_use]
    pub fn is_known_blackbox(&self, image: &ImageName) -> bool {
        self.blackboxes.iter().any(|known| known.same_repository(image))
    }

    /// The `runtimes` member of `GET /`.
    #[must_use]
    pub fn to_info(&self) -> Value {
        let kind_info = |kind: &RuntimeKind| {
            json!({
                "kind": kind.kind, "image": kind.image.to_string(), "deprecated": kind.deprecated,
                "default": kind.is_default, "attached": kind.attached.is_some(), "requireMain": kind.require_main,
            })
        };
        let family_info = |(family, kinds): (&String, &Vec<RuntimeKind>)| {
            (family.clone(), kinds.iter().map(kind_info).collect())
        };
        Value::Object(self.families.iter().map(family_info).collect())
    }
}

fn check_family(family: &str, kinds: &mut [RuntimeKind]) -> Result<(), ManifestError> {
    for kind in kinds.iter() {
        let version = kind.kind.strip_prefix(family).filter(|rest| rest.is_empty() || rest.starts_with(':'));
        if version.is_none() || kind.kind.chars().any(char::is_uppercase) || kind.kind.trim() != kind.kind {
            return Err(ManifestError::KindName { family: family.to_owned(), kind: kind.kind.clone() });
        }
    }
    match kinds {
        [] => Err(ManifestError::Empty(family.to_owned())),
        [only] => {
            only.is_default = true;
            Ok(())
        }
        several if several.iter().filter(|kind| kind.is_default).count() == 1 => Ok(()),
        _ => Err(ManifestError::NoSingleDefault(family.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"runtimes": {
        "nodejs": [
            {"kind": "nodejs:18", "image": {"prefix": "openwhisk", "name": "action-nodejs-v18", "tag": "nightly"}},
            {"kind": "nodejs:20", "default": true, "image": {"registry": "", "prefix": "openwhisk", "name": "n20"},
             "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"},
             "stemCells": [{"count": 2, "memory": "256 MB"}]}],
        "java": [{"kind": "java:8", "requireMain": true, "image": {"name": "java8action"}}]},
        "blackboxes": [{"prefix": "openwhisk", "name": "dockerskeleton", "tag": "nightly"}]}"#;

    #[test]
    fn kinds_and_defaults_resolve() {
        let manifest = Manifest::parse(TEXT).unwrap();
        assert_eq!(manifest.resolve("nodejs:default").unwrap().kind, "nodejs:20");
        assert_eq!(manifest.resolve("java:default").unwrap().kind, "java:8");
        assert!(manifest.resolve("cobol").is_none());
        assert!(manifest.is_known_blackbox(&"openwhisk/dockerskeleton".parse().unwrap()));
        assert!(!manifest.is_known_blackbox(&"other/dockerskeleton".parse().unwrap()));
        assert_eq!(manifest.to_info()["nodejs"][1]["image"], "openwhisk/n20");
        assert_eq!(manifest.kind("nodejs:20").unwrap().stem_cells[0].initial_count, 2);
    }

    #[test]
    fn a_broken_manifest_is_named() {
        let fault = |text: &str| Manifest::parse(text).unwrap_err().to_string();
        assert!(fault("{").starts_with("the runtimes manifest is not valid: EOF"));
        assert!(fault(&TEXT.replace("\"default\": true,", "")).contains("exactly one"));
        assert_eq!(
            fault(&TEXT.replace("java:8", "nodejs:18")),
            "kind 'nodejs:18' of family 'java' must be 'java' or 'java:<version>' in lower case"
        );
        assert!(fault(&TEXT.replace("nodejs:18", "nodejs:20")).contains("declared twice"));
    }
}
