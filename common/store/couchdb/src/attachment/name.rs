//! Under which names documents refer to code.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE};
use bytes::Bytes;
use oxwhisk_core::json::Members;
use serde_json::value::RawValue;

const INLINE: &str = "mem:";
const BESIDE: &str = "couch:";

/// Padding may be there or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttachmentName {
    /// It is in the name.
    Inline(Bytes),
    /// An attachment of the document: `couch:<name>`, or a name of before there were schemes (`codefile`, `jarfile`).
    Beside(String),
    /// Another store's (`s3:`, `azb:`), or unreadable.
    Elsewhere,
}

impl AttachmentName {
    pub(crate) fn parse(name: &str) -> Self {
        if let Some(text) = name.strip_prefix(INLINE) {
            return LENIENT.decode(text).map_or(Self::Elsewhere, |bytes| Self::Inline(bytes.into()));
        }
        match name.strip_prefix(BESIDE) {
            Some(name) => Self::Beside(name.to_owned()),
            None if name.contains(':') => Self::Elsewhere,
            None => Self::Beside(name.to_owned()),
        }
    }
}

/// The name that holds `bytes`.
pub(super) fn inline(bytes: &[u8]) -> String {
    format!("{INLINE}{}", URL_SAFE.encode(bytes))
}

/// A new name for an attachment of the document.
pub(super) fn beside() -> String {
    format!("{BESIDE}{}", uuid::Uuid::new_v4())
}

/// The name by which an entity refers to its code, if it does.
pub(crate) fn named_by(body: &RawValue) -> Option<String> {
    let body = Members::read(body).ok()?;
    let exec = Members::read(body.get("exec")?).ok()?;
    // Java's code once had a member of its own.
    let code = ["code", "jar"].into_iter().find_map(|member| Members::read(exec.get(member)?).ok())?;
    code.string("attachmentName").map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use oxwhisk_core::json::raw;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_lead_to_where_openwhisk_put_the_code() {
        let code = Bytes::from_static(b"function main(){}");
        let inline =
            |name| assert_eq!(AttachmentName::parse(name), AttachmentName::Inline(code.clone()), "{name}");
        inline("mem:ZnVuY3Rpb24gbWFpbigpe30=");
        inline("mem:ZnVuY3Rpb24gbWFpbigpe30");
        assert_eq!(super::inline(&code), "mem:ZnVuY3Rpb24gbWFpbigpe30=");
        assert_eq!(super::inline(b"\xff\xfe"), "mem:__4=");
        for (name, beside) in [("couch:0-1", "0-1"), ("codefile", "codefile"), ("jarfile", "jarfile")] {
            assert_eq!(AttachmentName::parse(name), AttachmentName::Beside(beside.to_owned()), "{name}");
        }
        for name in ["s3:x", "azb:x", "mem:!"] {
            assert_eq!(AttachmentName::parse(name), AttachmentName::Elsewhere, "{name}");
        }
    }

    #[test]
    fn a_document_names_its_code() {
        let named = |exec: serde_json::Value| named_by(&raw(&json!({ "exec": exec })));
        let code = json!({"attachmentName": "couch:1", "attachmentType": "text/plain"});
        assert_eq!(named(json!({"kind": "nodejs:20", "code": code})).as_deref(), Some("couch:1"));
        assert_eq!(named(json!({"kind": "java:8", "jar": code})).as_deref(), Some("couch:1"));
        assert_eq!(named(json!({"kind": "nodejs:20", "code": "x"})), None);
        assert_eq!(named_by(&raw(&json!({ "parameters": [] }))), None);
    }
}
