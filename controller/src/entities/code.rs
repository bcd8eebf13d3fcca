//! Where an action's code is: small code in its document, large code as an attachment.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use oxwhisk_core::entity::Action;
use oxwhisk_core::exec::{Attachment, Code};
use oxwhisk_core::id::Revision;
use oxwhisk_core::limits::SystemLimits;
use oxwhisk_core::manifest::Manifest;
use oxwhisk_core::name::FullyQualifiedName;
use oxwhisk_invoker_api::{ActionDescriptor, CodeError, CodeSource};
use oxwhisk_store::{AttachmentStore, Collection, EntityStore, StoreError, Superseded};
use oxwhisk_ticket::Ticket;

/// Code of at least this many bytes is kept as an attachment.
const ATTACHED_FROM: usize = 16 * 1024;

/// Binary code is kept decoded: a third smaller, and as OpenWhisk keeps it.
const BINARY: &str = "application/octet-stream";
const SOURCE: &str = "text/plain; charset=UTF-8";

/// Reads and writes code, and serves it to invokers.
#[derive(Debug)]
pub struct StoredCode {
    attachments: Arc<dyn AttachmentStore>,
    entities: Arc<dyn EntityStore>,
    manifest: Arc<Manifest>,
    limits: SystemLimits,
}

impl StoredCode {
    #[must_use]
    pub fn new(
        attachments: Arc<dyn AttachmentStore>,
        entities: Arc<dyn EntityStore>,
        manifest: Arc<Manifest>,
        limits: SystemLimits,
    ) -> Self {
        Self { attachments, entities, manifest, limits }
    }

    /// The code as clients send it; `None` for an image that has none.
    pub(crate) async fn load(&self, action: &Action) -> Result<Option<Arc<str>>, StoreError> {
        let attachment = match action.exec.code() {
            None => return Ok(None),
            Some(Code::Inline(text)) => return Ok(Some(Arc::clone(text))),
            Some(Code::Attached(attachment)) => attachment,
        };
        let missing = || {
            StoreError::Corrupt(format!("attachment '{}' of '{}' is missing", attachment.name, action.id()))
        };
        let bytes = self.attachments.get(&action.id(), &attachment.name).await?.ok_or_else(missing)?;
        if attachment.content_type == BINARY {
            return Ok(Some(STANDARD.encode(&bytes).into()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(Some(text.into()))
    }

    /// Moves large inline code into an attachment, to which the action then refers.
    pub(crate) async fn store(&self, action: &mut Action) -> Result<(), StoreError> {
        let Some(Code::Inline(text)) = action.exec.code() else { return Ok(()) };
        if text.len() < ATTACHED_FROM {
            return Ok(());
        }
        let decoded = if action.exec.binary() { STANDARD.decode(text.trim()).ok() } else { None };
        let (content_type, bytes) = match decoded {
            Some(bytes) => (BINARY, Bytes::from(bytes)),
            None => (SOURCE, Bytes::copy_from_slice(text.as_bytes())),
        };
        let stored = self.attachments.put(&action.id(), content_type, bytes).await?;
        action.exec.set_code(Code::Attached(Attachment {
            name: stored.name,
            content_type: content_type.to_owned(),
            length: Some(stored.length),
            digest: Some(stored.digest),
        }));
        Ok(())
    }

    /// Drops what earlier revisions left, when `action` has been put in the place of `old`. Failure leaves only garbage,
    /// so it is logged and not reported.
    pub(crate) async fn prune(&self, action: &Action, old: Option<&Action>) {
        let superseded = match (attachment(action), old.and_then(attachment)) {
            (Some(new), _) => Superseded::Before(new),
            (None, Some(old)) => Superseded::Through(old),
            (None, None) => return,
        };
        if let Err(error) = self.attachments.prune(&action.id(), superseded).await {
            tracing::warn!(id = %action.id(), %error, "cannot delete old code");
        }
    }

    /// The code as `/init` takes it; `None` for an image that has none.
    ///
    /// # Errors
    /// When the action is gone, has changed too much, or cannot be read.
    pub async fn serve(&self, wanted: &WantedCode<'_>) -> Result<Option<Bytes>, CodeError> {
        let mut tried = None;
        loop {
            match self.current(wanted).await? {
                (_, Ok(code)) => return Ok(code.map(|text| Bytes::copy_from_slice(text.as_bytes()))),
                // An update may take the old code away between the two readings; then there is a newer revision.
                (revision, Err(StoreError::Corrupt(_))) if tried.as_ref() != Some(&revision) => {
                    tried = Some(revision);
                }
                (_, Err(error)) => return Err(unavailable(wanted.action, &error)),
            }
        }
    }

    /// The code that is stored for an action now, and the revision it belongs to.
    async fn current(&self, wanted: &WantedCode<'_>) -> Result<(Revision, Current), CodeError> {
        let stored = self.entities.get(wanted.action).await;
        let stored = stored.map_err(|error| unavailable(wanted.action, &error))?;
        let stored = stored.ok_or(CodeError::NotFound)?;
        if stored.document.collection != Collection::Actions {
            return Err(CodeError::Mismatch);
        }
        let defaults = self.limits.default_action_limits();
        let read = Action::from_document(&stored.document.body, &self.manifest, defaults);
        let current = read.map_err(|_| CodeError::Mismatch)?;
        let exec = &current.exec;
        // A newer revision may run, but not its code with what the dispatch says of the older one.
        if (exec.kind(), exec.main(), exec.binary()) != (wanted.kind, wanted.main, wanted.binary) {
            return Err(CodeError::Mismatch);
        }
        Ok((stored.revision, self.load(&current).await))
    }
}

/// Whose code, and what it has to be to go with a dispatch.
#[derive(Clone, Copy, Debug)]
pub struct WantedCode<'a> {
    pub action: &'a FullyQualifiedName,
    pub kind: &'a str,
    pub main: Option<&'a str>,
    pub binary: bool,
}

type Current = Result<Option<Arc<str>>, StoreError>;

fn unavailable(action: &FullyQualifiedName, error: &StoreError) -> CodeError {
    tracing::error!(id = %action, %error, "cannot fetch code");
    CodeError::Unavailable
}

/// Where the code of an action is, if that is beside its document.
fn attachment(action: &Action) -> Option<&str> {
    match action.exec.code() {
        Some(Code::Attached(attachment)) => Some(&attachment.name),
        _ => None,
    }
}

#[async_trait]
impl CodeSource for StoredCode {
    async fn code(
        &self,
        action: &ActionDescriptor,
        _ticket: Option<&Ticket>,
    ) -> Result<Option<Bytes>, CodeError> {
        let (kind, main) = (&*action.kind, action.main.as_deref());
        self.serve(&WantedCode { action: &action.id, kind, main, binary: action.binary }).await
    }
}
