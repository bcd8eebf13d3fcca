//! Writing many records: in bulk, one by one where something is wrong with one of them.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use oxwhisk_core::id::Revision;
use oxwhisk_store::{RecordDocument, Refusal, StoreError};
use serde_json::value::RawValue;

use super::plan::{self, Versions};
use crate::client::Backoff;
use crate::config::{CouchConfig, Retries};
use crate::database::{BulkOutcome, BulkWritten, Database, Row};
use crate::document::{self, Own};

/// Documents made before other tasks get their turn.
const PORTION: usize = 32;

/// Bulk requests of one call under way at the same time.
const CONCURRENT: usize = 4;

/// Times that a record is tried again after another came in between. Each is of the same activation, so that there are
/// two writers or three.
const ROUNDS: u32 = 10;

#[derive(Debug)]
pub(super) struct Writer {
    database: Database,
    retries: Retries,
    max_records: usize,
    max_bytes: usize,
    max_document_bytes: usize,
}

/// A record on its way.
#[derive(Debug)]
struct Entry<'a> {
    versions: Versions<'a>,
    /// The one of them that is written.
    record: &'a RecordDocument,
    /// The whole document.
    text: Box<RawValue>,
}

fn refusal(record: &RecordDocument, reason: String) -> Refusal {
    let RecordDocument { namespace, activation_id, origin, .. } = record;
    Refusal { namespace: namespace.clone(), activation_id: *activation_id, origin: *origin, reason }
}

/// What became of an entry in one request.
#[derive(Debug)]
enum Verdict {
    Stored,
    /// There is a document of another revision.
    Conflict,
    /// It will never be taken.
    Refused(String),
    /// It may be taken later.
    Failed(String),
}

impl Verdict {
    fn of(outcome: BulkOutcome) -> Self {
        let Some(error) = outcome.error else { return Self::Stored };
        let reason = format!("{error}: {}", outcome.reason.unwrap_or_default());
        match error.as_str() {
            "conflict" => Self::Conflict,
            // By functions that check documents, by limits.
            "forbidden" | "unauthorized" | "document_too_large" | "too_large" | "bad_request"
            | "doc_validation" => Self::Refused(reason),
            _ => Self::Failed(reason),
        }
    }
}

impl Writer {
    pub(super) fn new(database: Database, config: &CouchConfig) -> Self {
        Self {
            database,
            retries: config.retries,
            max_records: config.max_bulk_records,
            max_bytes: config.max_bulk_bytes,
            max_document_bytes: config.max_document_bytes,
        }
    }

    pub(super) async fn store(&self, records: &[RecordDocument]) -> Result<(), StoreError> {
        let (mut entries, mut refusals) = (Vec::with_capacity(records.len()), Vec::new());
        for (n, versions) in plan::by_activation(records).into_iter().enumerate() {
            if n % PORTION == PORTION - 1 {
                tokio::task::yield_now().await;
            }
            let record = versions.first;
            match self.entry(versions, record, None) {
                Ok(entry) => entries.push(entry),
                Err(refusal) => refusals.push(refusal),
            }
        }
        let sizes: Vec<usize> = entries.iter().map(|entry| entry.text.get().len()).collect();
        let mut entries = entries.into_iter();
        let requests = plan::requests(&sizes, self.max_records, self.max_bytes);
        let writes: Vec<BoxFuture<'_, _>> = requests
            .into_iter()
            .map(|request| self.write(entries.by_ref().take(request.len()).collect()).boxed())
            .collect();
        let refused: Vec<Vec<Refusal>> =
            stream::iter(writes).buffer_unordered(CONCURRENT).try_collect().await?;
        refusals.extend(refused.into_iter().flatten());
        if refusals.is_empty() { Ok(()) } else { Err(StoreError::Refused(refusals)) }
    }

    /// A new document, or one that takes the place of the revision.
    fn entry<'a>(
        &self,
        versions: Versions<'a>,
        record: &'a RecordDocument,
        revision: Option<&Revision>,
    ) -> Result<Entry<'a>, Refusal> {
        let own = Own { id: &versions.id, revision, origin: record.origin.as_ref(), ..Own::default() };
        let text =
            document::write(own, &record.document).map_err(|error| refusal(record, error.to_string()))?;
        let (size, limit) = (text.get().len(), self.max_document_bytes);
        if size > limit {
            let reason = format!("its document has {size} bytes, and the limit is {limit} bytes");
            return Err(refusal(record, reason));
        }
        Ok(Entry { versions, record, text })
    }

    /// Writes what fits into one request, until nothing of it is left open. Answers what cannot be stored.
    async fn write(&self, entries: Vec<Entry<'_>>) -> Result<Vec<Refusal>, StoreError> {
        let (mut open, mut refusals) = (entries, Vec::new());
        let mut backoff = Backoff::new(self.retries);
        for _ in 0..ROUNDS {
            let (mut conflicts, mut failed, mut reason) = (Vec::new(), Vec::new(), String::new());
            for (entry, verdict) in self.submit(open).await? {
                match verdict {
                    Verdict::Stored => {}
                    Verdict::Conflict => conflicts.push(entry),
                    Verdict::Refused(reason) => refusals.push(refusal(entry.record, reason)),
                    Verdict::Failed(why) => {
                        reason = why;
                        failed.push(entry);
                    }
                }
            }
            if !failed.is_empty() {
                let pause = backoff.next(rand::random()).ok_or_else(|| self.unavailable(&failed, &reason))?;
                tokio::time::sleep(pause).await;
            }
            open = self.resolve(conflicts, &mut refusals).await?;
            open.append(&mut failed);
            if open.is_empty() {
                return Ok(refusals);
            }
        }
        Err(self.unavailable(&open, "others keep writing them"))
    }

    fn unavailable(&self, open: &[Entry<'_>], reason: &str) -> StoreError {
        let (database, count) = (self.database.name(), open.len());
        StoreError::Unavailable(format!(
            "the database '{database}' does not take {count} of the records: {reason}"
        ))
    }

    /// One request; in halves where the whole is refused, since that may be for a single record.
    async fn submit<'a>(&self, entries: Vec<Entry<'a>>) -> Result<Vec<(Entry<'a>, Verdict)>, StoreError> {
        let (mut parts, mut verdicts) = (vec![entries], Vec::new());
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let texts: Vec<&RawValue> = part.iter().map(|entry| &*entry.text).collect();
            match self.database.bulk(&texts).await? {
                BulkWritten::Each(outcomes) => {
                    let outcomes = outcomes.into_iter().map(Verdict::of);
                    verdicts.extend(part.into_iter().zip(outcomes));
                }
                BulkWritten::Refused(reason) if part.len() == 1 => {
                    verdicts.extend(part.pop().map(|entry| (entry, Verdict::Refused(reason))));
                }
                BulkWritten::Refused(_) => {
                    let half = part.split_off(part.len() / 2);
                    parts.extend([part, half]);
                }
            }
        }
        Ok(verdicts)
    }

    /// Those that are still to be written: they complete the records that are there.
    async fn resolve<'a>(
        &self,
        conflicts: Vec<Entry<'a>>,
        refusals: &mut Vec<Refusal>,
    ) -> Result<Vec<Entry<'a>>, StoreError> {
        if conflicts.is_empty() {
            return Ok(conflicts);
        }
        let ids: Vec<&str> = conflicts.iter().map(|entry| entry.versions.id.as_str()).collect();
        let rows = self.database.rows_of(&ids, true).await?;
        let mut open = Vec::new();
        for (entry, row) in conflicts.into_iter().zip(rows) {
            match self.against(entry, &row)? {
                Some(Ok(entry)) => open.push(entry),
                Some(Err(refusal)) => refusals.push(refusal),
                None => {}
            }
        }
        Ok(open)
    }

    /// The entry as it is to be written now, or `None` when what is there stays.
    fn against<'a>(
        &self,
        entry: Entry<'a>,
        row: &Row,
    ) -> Result<Option<Result<Entry<'a>, Refusal>>, StoreError> {
        let versions = entry.versions;
        let Some(found) = row.document()? else {
            // It was deleted in the meantime.
            let first = versions.first;
            return Ok(Some(self.entry(versions, first, None)));
        };
        let completing = versions.completing(found.origin.as_ref());
        Ok(completing.map(|record| self.entry(versions, record, Some(&found.revision))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_judged_one_by_one() {
        let outcome = |error: Option<&str>| BulkOutcome {
            error: error.map(str::to_owned),
            reason: Some("why".to_owned()),
            ..BulkOutcome::default()
        };
        assert!(matches!(Verdict::of(outcome(None)), Verdict::Stored));
        assert!(matches!(Verdict::of(outcome(Some("conflict"))), Verdict::Conflict));
        let refused = Verdict::of(outcome(Some("forbidden")));
        assert!(matches!(refused, Verdict::Refused(reason) if reason == "forbidden: why"));
        assert!(matches!(Verdict::of(outcome(Some("internal_server_error"))), Verdict::Failed(_)));
    }
}
