//! Who may call, and with which keys.

use std::sync::Arc;

use oxwhisk_core::subject::{AuthKey, Identity, Subject};
use oxwhisk_proto::admin::refusal;
use oxwhisk_proto::admin::v1::subjects_server::Subjects;
use oxwhisk_proto::admin::v1::{self, ExistingKey, Reason};
use oxwhisk_store::{StoreError, SubjectStore};
use tonic::{Code, Request, Response, Status};

use crate::edit_key::{NewKey, Refused, with_key, without_namespace};
use crate::parts::Parts;
use crate::status;

/// Bytes of a subject's name.
const NAME: std::ops::RangeInclusive<usize> = 5..=256;
/// Subjects of a page: by default, and at most.
const PAGE: usize = 200;
const PAGE_MAX: usize = 1000;
/// Identities of a namespace in one answer.
const IDENTITIES_MAX: usize = 10_000;
/// How often a change is tried that somebody else comes in between of.
const ATTEMPTS: u32 = 3;

#[derive(Clone, Debug)]
pub(crate) struct Service(Arc<Parts>);

/// What a change of a subject makes of it.
enum Change {
    Put(Subject),
    /// All else stays as it is in the store.
    SetBlocked(bool),
    Delete,
}

impl Service {
    pub(crate) fn new(parts: &Arc<Parts>) -> Self {
        Self(Arc::clone(parts))
    }

    fn store(&self) -> &dyn SubjectStore {
        self.0.subjects.as_ref()
    }

    /// Changes a subject: `decide` sees it as it is, and is asked again if somebody else has changed it meanwhile. The
    /// change holds on this controller when this returns.
    async fn change<T: Send + 'static>(
        &self,
        subject: &str,
        decide: impl Fn(Option<Subject>) -> Result<(Change, T), Status> + Send + Sync + 'static,
    ) -> Result<T, Status> {
        let (parts, subject) = (Arc::clone(&self.0), subject.to_owned());
        let edit = async move {
            let mut attempts = 1;
            loop {
                let current =
                    parts.subjects.subject(&subject).await.map_err(|error| status::of_store(&error))?;
                let (change, outcome) = decide(current)?;
                let written = match &change {
                    Change::Put(document) => parts.subjects.put_subject(document).await,
                    Change::SetBlocked(blocked) => parts.subjects.set_blocked(&subject, *blocked).await,
                    Change::Delete => parts.subjects.delete_subject(&subject).await,
                };
                match written {
                    Ok(()) => {
                        parts.caches.forget_identities().await;
                        return Ok(outcome);
                    }
                    Err(StoreError::Conflict) if attempts < ATTEMPTS => attempts += 1,
                    Err(StoreError::NotFound) => return Err(status::subject_missing(&subject)),
                    Err(error) => return Err(status::of_store(&error)),
                }
            }
        };
        self.0.edits.run(edit).await
    }

    /// # Errors
    /// When somebody else holds the key: two holders would lock both out.
    async fn check_free(&self, key: &AuthKey, subject: &str, namespace: &str) -> Result<(), Status> {
        let taken = || refusal(Code::FailedPrecondition, Reason::KeyTaken, "the key is already in use");
        match self.store().identity_by_key(key).await {
            Ok(Some(holder)) if *holder.subject != *subject || holder.namespace.as_str() != namespace => {
                Err(taken())
            }
            Ok(_) => Ok(()),
            Err(StoreError::Ambiguous) => Err(taken()),
            Err(error) => Err(status::of_store(&error)),
        }
    }
}

#[tonic::async_trait]
impl Subjects for Service {
    async fn create_key(
        &self,
        request: Request<v1::CreateKeyRequest>,
    ) -> Result<Response<v1::CreateKeyResponse>, Status> {
        let request = request.into_inner();
        let existing = request.existing();
        let subject = subject_name(&request.subject)?.to_owned();
        let namespace = if request.namespace.is_empty() { &subject } else { &request.namespace };
        let namespace = status::namespace(namespace)?;
        let key = match &request.key {
            Some(key) => NewKey::Given(auth_key(key)?),
            None => NewKey::random(),
        };
        if let NewKey::Given(key) = &key {
            self.check_free(key, &subject, namespace.as_str()).await?;
        }
        let (name, place) = (subject.clone(), namespace.clone());
        let decide = move |current| {
            let made = with_key(current, &name, &place, &key, existing);
            made.map(|(subject, auth)| (Change::Put(subject), auth)).map_err(refused)
        };
        let auth = self.change(&subject, decide).await?;
        tracing::info!(subject, %namespace, replace = existing != ExistingKey::Unspecified, "a key was given");
        let identity =
            v1::Identity { subject, namespace: namespace.to_string(), key: Some(proto_key(&auth)) };
        Ok(Response::new(v1::CreateKeyResponse { identity: Some(identity) }))
    }

    async fn delete_subject(
        &self,
        request: Request<v1::DeleteSubjectRequest>,
    ) -> Result<Response<v1::DeleteSubjectResponse>, Status> {
        let subject = request.into_inner().subject;
        let missing = status::subject_missing(&subject);
        self.change(&subject, move |current| match current {
            Some(_) => Ok((Change::Delete, ())),
            None => Err(missing.clone()),
        })
        .await?;
        tracing::info!(subject, "a subject was deleted");
        Ok(Response::new(v1::DeleteSubjectResponse {}))
    }

    async fn delete_namespace(
        &self,
        request: Request<v1::DeleteNamespaceRequest>,
    ) -> Result<Response<v1::DeleteNamespaceResponse>, Status> {
        let v1::DeleteNamespaceRequest { subject, namespace } = request.into_inner();
        let (name, place) = (subject.clone(), namespace.clone());
        self.change(&subject, move |current| {
            let current = current.ok_or_else(|| status::subject_missing(&name))?;
            let left = without_namespace(current, &place).ok_or_else(|| namespace_missing(&name, &place))?;
            Ok((Change::Put(left), ()))
        })
        .await?;
        tracing::info!(subject, namespace, "a subject lost a namespace");
        Ok(Response::new(v1::DeleteNamespaceResponse {}))
    }

    async fn get_subject(
        &self,
        request: Request<v1::GetSubjectRequest>,
    ) -> Result<Response<v1::GetSubjectResponse>, Status> {
        let name = request.into_inner().subject;
        let found = self.store().subject(&name).await.map_err(|error| status::of_store(&error))?;
        let subject = found.ok_or_else(|| status::subject_missing(&name))?;
        Ok(Response::new(v1::GetSubjectResponse { subject: Some(proto_subject(&subject)) }))
    }

    async fn list_subjects(
        &self,
        request: Request<v1::ListSubjectsRequest>,
    ) -> Result<Response<v1::ListSubjectsResponse>, Status> {
        let request = request.into_inner();
        let size = match request.page_size {
            0 => PAGE,
            asked => usize::try_from(asked).unwrap_or(PAGE_MAX).min(PAGE_MAX),
        };
        let after = Some(request.after.as_str()).filter(|after| !after.is_empty());
        let found = self.store().subjects(after, size).await.map_err(|error| status::of_store(&error))?;
        let next = found.last().filter(|_| found.len() == size).map(|last| last.subject.clone());
        let subjects = found.iter().map(proto_subject).collect();
        Ok(Response::new(v1::ListSubjectsResponse { subjects, next: next.unwrap_or_default() }))
    }

    async fn list_identities(
        &self,
        request: Request<v1::ListIdentitiesRequest>,
    ) -> Result<Response<v1::ListIdentitiesResponse>, Status> {
        let request = request.into_inner();
        let limit = match request.limit {
            0 => IDENTITIES_MAX,
            asked => usize::try_from(asked).unwrap_or(IDENTITIES_MAX).min(IDENTITIES_MAX),
        };
        // What can be no namespace has no identities.
        let Ok(namespace) = status::namespace(&request.namespace) else {
            return Ok(Response::new(v1::ListIdentitiesResponse::default()));
        };
        let mut found =
            self.store().identities(&namespace).await.map_err(|error| status::of_store(&error))?;
        found.sort_by(|one, other| one.subject.cmp(&other.subject));
        let identities = found.iter().take(limit).map(proto_identity).collect();
        Ok(Response::new(v1::ListIdentitiesResponse { identities }))
    }

    async fn whois(&self, request: Request<v1::WhoisRequest>) -> Result<Response<v1::WhoisResponse>, Status> {
        let key = request.into_inner().key.ok_or_else(|| Status::invalid_argument("no key is given"))?;
        // What can be no key is nobody's.
        let Some(key) = AuthKey::parse(&format!("{}:{}", key.uuid, key.secret)) else {
            return Ok(Response::new(v1::WhoisResponse { identity: None }));
        };
        let found = self.store().identity_by_key(&key).await.map_err(|error| status::of_store(&error))?;
        Ok(Response::new(v1::WhoisResponse { identity: found.as_ref().map(proto_identity) }))
    }

    async fn set_blocked(
        &self,
        request: Request<v1::SetBlockedRequest>,
    ) -> Result<Response<v1::SetBlockedResponse>, Status> {
        let v1::SetBlockedRequest { subject, blocked } = request.into_inner();
        let missing = status::subject_missing(&subject);
        let was_blocked = self
            .change(&subject, move |current| {
                let current = current.ok_or_else(|| missing.clone())?;
                Ok((Change::SetBlocked(blocked), current.blocked))
            })
            .await?;
        tracing::info!(subject, blocked, was_blocked, "a subject was blocked or unblocked");
        Ok(Response::new(v1::SetBlockedResponse { was_blocked }))
    }
}

fn subject_name(text: &str) -> Result<&str, Status> {
    let name = text.trim();
    if NAME.contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    let (least, most) = (NAME.start(), NAME.end());
    Err(Status::invalid_argument(format!(
        "a subject's name has {least} to {most} bytes and no control characters, this one has {} bytes",
        name.len()
    )))
}

fn auth_key(key: &v1::Key) -> Result<AuthKey, Status> {
    // What is given is a secret: what is wrong with it is said without it.
    AuthKey::parse(&format!("{}:{}", key.uuid, key.secret))
        .ok_or_else(|| Status::invalid_argument("a key is a UUID and a secret of 64 characters"))
}

fn refused(refused: Refused) -> Status {
    let text = refused.to_string();
    match refused {
        Refused::Blocked => refusal(Code::FailedPrecondition, Reason::SubjectBlocked, text),
        Refused::Exists => refusal(Code::AlreadyExists, Reason::NamespaceExists, text),
        Refused::NotUnique => refusal(Code::FailedPrecondition, Reason::NamespaceNotUnique, text),
        Refused::GivenAndKept => Status::invalid_argument(text),
    }
}

fn namespace_missing(subject: &str, namespace: &str) -> Status {
    let text = format!("the subject '{subject}' has no namespace '{namespace}'");
    refusal(Code::NotFound, Reason::NamespaceMissing, text)
}

fn proto_key(auth: &AuthKey) -> v1::Key {
    v1::Key { uuid: auth.uuid.clone(), secret: auth.key.clone() }
}

fn proto_identity(identity: &Identity) -> v1::Identity {
    v1::Identity {
        subject: identity.subject.to_string(),
        namespace: identity.namespace.to_string(),
        key: Some(proto_key(&identity.auth)),
    }
}

fn proto_subject(subject: &Subject) -> v1::Subject {
    let entry = |entry: &oxwhisk_core::subject::SubjectNamespace| v1::NamespaceKey {
        namespace: entry.name.to_string(),
        key: Some(proto_key(&entry.auth)),
    };
    v1::Subject {
        name: subject.subject.clone(),
        blocked: subject.blocked,
        namespaces: subject.namespaces.iter().map(entry).collect(),
    }
}
