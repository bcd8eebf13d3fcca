//! Invocations that failed on every attempt.

mod letter;
mod reading;

use std::collections::HashSet;
use std::sync::Arc;

use oxwhisk_messaging::{Delivery, Message};
use oxwhisk_proto::admin::refusal;
use oxwhisk_proto::admin::v1::dead_letters_server::DeadLetters;
use oxwhisk_proto::admin::v1::{self, Reason};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::{Code, Request, Response, Status};

use crate::parts::Parts;
use crate::status;
use reading::Reading;

/// Letters in one list: by default, and at most.
const LIST: usize = 100;
const LIST_MAX: usize = 1000;
/// Activation ids of one request.
const SELECTION_MAX: usize = 1000;

#[derive(Clone, Debug)]
pub(crate) struct Service {
    parts: Arc<Parts>,
    /// A topic has one reader at a time.
    reader: Arc<Semaphore>,
}

/// Which letters a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selection {
    All,
    Ids(HashSet<String>),
}

impl Selection {
    fn of(selection: Option<v1::DeadLetterSelection>) -> Result<Self, Status> {
        let v1::DeadLetterSelection { activation_ids, all } = selection.unwrap_or_default();
        match (all, activation_ids.len()) {
            (true, 0) => Ok(Self::All),
            (false, 1..=SELECTION_MAX) => Ok(Self::Ids(activation_ids.into_iter().collect())),
            _ => Err(Status::invalid_argument(format!(
                "either 'all' or 1 to {SELECTION_MAX} activation ids are to be given"
            ))),
        }
    }

    fn has(&self, delivery: &Delivery) -> bool {
        match self {
            Self::All => true,
            Self::Ids(ids) => ids.contains(&delivery.key),
        }
    }
}

/// What to do with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Redriven,
    Dropped,
}

impl Service {
    pub(crate) fn new(parts: &Arc<Parts>) -> Self {
        Self { parts: Arc::clone(parts), reader: Arc::new(Semaphore::new(1)) }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, Status> {
        self.reader.acquire().await.map_err(|_| Status::unavailable("the controller is stopping"))
    }

    async fn read(&self) -> Result<Reading, Status> {
        Reading::begin(self.parts.bus.as_ref()).await.map_err(|error| status::of_bus(&error))
    }

    /// # Errors
    /// NOT_FOUND that names the first letter that is not there.
    async fn check_all_there(&self, selection: &Selection) -> Result<(), Status> {
        let Selection::Ids(ids) = selection else { return Ok(()) };
        let mut missing: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let mut reading = self.read().await?;
        while !missing.is_empty() {
            let batch = reading.batch().await.map_err(|error| status::of_bus(&error))?;
            if batch.is_empty() {
                break;
            }
            batch.iter().for_each(|letter| {
                missing.remove(letter.key.as_str());
            });
        }
        missing.into_iter().min().map_or(Ok(()), |id| Err(letter_missing(id)))
    }

    /// Sees to the selected letters; answers the ids of those it has, and of those it could not.
    async fn see_to(&self, selection: &Selection, fate: Fate) -> Result<(Vec<String>, Vec<String>), Status> {
        let _turn = self.turn().await?;
        self.check_all_there(selection).await?;
        let of_bus = |error| status::of_bus(&error);
        let (mut done, mut left) = (Vec::new(), Vec::new());
        let mut reading = self.read().await?;
        loop {
            let batch = reading.batch().await.map_err(of_bus)?;
            if batch.is_empty() {
                return Ok((done, left));
            }
            for delivery in batch.into_iter().filter(|delivery| selection.has(delivery)) {
                if fate == Fate::Redriven {
                    let Some(message) = letter::again(&delivery.payload) else {
                        left.push(delivery.key);
                        continue;
                    };
                    // Queued before it is taken away: dying in between, it is there twice and not lost.
                    let route = letter::summary(&delivery).namespace;
                    let message = Message::new(delivery.key.clone(), message).with_route(route);
                    self.parts.redrive.redrive(&delivery, message).await.map_err(of_bus)?;
                }
                reading.complete(delivery.id).await.map_err(of_bus)?;
                tracing::info!(activation_id = delivery.key, ?fate, "a dead letter was seen to");
                done.push(delivery.key);
            }
        }
    }
}

fn letter_missing(id: &str) -> Status {
    refusal(Code::NotFound, Reason::DeadLetterMissing, format!("there is no dead letter '{id}'"))
}

#[tonic::async_trait]
impl DeadLetters for Service {
    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        let limit = match request.limit {
            0 => LIST,
            asked => usize::try_from(asked).unwrap_or(LIST_MAX).min(LIST_MAX),
        };
        let _turn = self.turn().await?;
        let (mut letters, mut total) = (Vec::new(), 0);
        let mut reading = self.read().await?;
        loop {
            let batch = reading.batch().await.map_err(|error| status::of_bus(&error))?;
            if batch.is_empty() {
                return Ok(Response::new(v1::ListDeadLettersResponse { letters, total }));
            }
            total += batch.len() as u64;
            let wanted = batch.iter().map(letter::summary);
            let wanted =
                wanted.filter(|letter| [&letter.namespace, ""].contains(&request.namespace.as_str()));
            letters.extend(wanted.take(limit - letters.len()));
        }
    }

    async fn get_dead_letter(
        &self,
        request: Request<v1::GetDeadLetterRequest>,
    ) -> Result<Response<v1::GetDeadLetterResponse>, Status> {
        let id = request.into_inner().activation_id;
        let _turn = self.turn().await?;
        let mut reading = self.read().await?;
        loop {
            let batch = reading.batch().await.map_err(|error| status::of_bus(&error))?;
            if batch.is_empty() {
                return Err(letter_missing(&id));
            }
            if let Some(found) = batch.iter().find(|delivery| delivery.key == id) {
                let answer = v1::GetDeadLetterResponse {
                    letter: Some(letter::summary(found)),
                    message: found.payload.to_vec(),
                };
                return Ok(Response::new(answer));
            }
        }
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<v1::RedriveDeadLettersRequest>,
    ) -> Result<Response<v1::RedriveDeadLettersResponse>, Status> {
        let selection = Selection::of(request.into_inner().selection)?;
        let this = self.clone();
        let edit = async move { this.see_to(&selection, Fate::Redriven).await };
        let (activation_ids, unreadable) = self.parts.edits.run(edit).await?;
        Ok(Response::new(v1::RedriveDeadLettersResponse { activation_ids, unreadable }))
    }

    async fn drop_dead_letters(
        &self,
        request: Request<v1::DropDeadLettersRequest>,
    ) -> Result<Response<v1::DropDeadLettersResponse>, Status> {
        let selection = Selection::of(request.into_inner().selection)?;
        let this = self.clone();
        let edit = async move { this.see_to(&selection, Fate::Dropped).await };
        let (activation_ids, _) = self.parts.edits.run(edit).await?;
        Ok(Response::new(v1::DropDeadLettersResponse { activation_ids }))
    }
}
