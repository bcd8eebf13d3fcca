//! The design documents of an OpenWhisk database, under OpenWhisk's names. One that is there is never written again,
//! whatever its text: rewriting it would have the server build its views anew, which takes hours with many records. What
//! it must have is only looked at.

use oxwhisk_core::json::{Members, raw};
use oxwhisk_store::{Collection, StoreError};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::database::{Database, View, ViewQuery};

const WHISKS: &str = "whisks.v2.1.0";
const FILTERS: &str = "whisks-filters.v2.1.1";
const SUBJECTS: &str = "subjects.v2.0.0";

const ACTIONS: View = View { design: WHISKS, name: "actions" };
const TRIGGERS: View = View { design: WHISKS, name: "triggers" };
const RULES: View = View { design: WHISKS, name: "rules" };
const PACKAGES: View = View { design: WHISKS, name: "packages" };
const PUBLIC_PACKAGES: View = View { design: WHISKS, name: "packages-public" };
/// Keys `[namespace, start]`.
pub(crate) const ACTIVATIONS: View = View { design: WHISKS, name: "activations" };
/// Keys `[namespace/name, start]` and `[namespace/package/name, start]`.
pub(crate) const ACTIVATIONS_BY_NAME: View = View { design: FILTERS, name: "activations" };
/// Keys `[namespace]` and `[uuid, key]`.
pub(crate) const IDENTITIES: View = View { design: SUBJECTS, name: "identities" };

/// The view that lists entities, with keys `[path, updated]`.
pub(crate) const fn view_of(collection: Collection, public_only: bool) -> View {
    match collection {
        Collection::Actions => ACTIONS,
        Collection::Triggers => TRIGGERS,
        Collection::Rules => RULES,
        Collection::Packages if public_only => PUBLIC_PACKAGES,
        Collection::Packages => PACKAGES,
    }
}

/// What CouchDB calculates of a view's rows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduce {
    None,
    Count,
    Sum,
}

#[derive(Clone, Copy, Debug)]
struct ViewText {
    name: &'static str,
    map: &'static str,
    reduce: Reduce,
    /// It is asked by the stores; others are there for OpenWhisk's tools.
    is_used: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Design {
    name: &'static str,
    views: &'static [ViewText],
    filters: &'static [(&'static str, &'static str)],
}

const fn counted(name: &'static str, map: &'static str) -> ViewText {
    ViewText { name, map, reduce: Reduce::Count, is_used: true }
}

const fn for_tools(name: &'static str, map: &'static str, reduce: Reduce) -> ViewText {
    ViewText { name, map, reduce, is_used: false }
}

const fn design(name: &'static str, views: &'static [ViewText]) -> Design {
    Design { name, views, filters: &[] }
}

const SNAPSHOT_FILTERS: Design = Design {
    name: "snapshotFilters",
    views: &[],
    filters: &[(
        "withoutDeletedAndDesignDocuments",
        include_str!("design/without-deleted-and-design-documents.js"),
    )],
};

/// Of the database of entities.
pub(crate) const OF_ENTITIES: &[Design] = &[
    design(
        WHISKS,
        &[
            counted("actions", include_str!("design/actions.js")),
            counted("triggers", include_str!("design/triggers.js")),
            counted("rules", include_str!("design/rules.js")),
            counted("packages", include_str!("design/packages.js")),
            counted("packages-public", include_str!("design/packages-public.js")),
        ],
    ),
    SNAPSHOT_FILTERS,
];

/// Of the database of activations.
pub(crate) const OF_ACTIVATIONS: &[Design] = &[
    design(WHISKS, &[counted("activations", include_str!("design/activations.js"))]),
    design(FILTERS, &[counted("activations", include_str!("design/activations-by-name.js"))]),
    design("activations", &[for_tools("byDate", include_str!("design/by-date.js"), Reduce::None)]),
    design(
        "logCleanup",
        &[for_tools("byDateWithLogs", include_str!("design/by-date-with-logs.js"), Reduce::None)],
    ),
    SNAPSHOT_FILTERS,
];

/// Of the database of subjects.
pub(crate) const OF_SUBJECTS: &[Design] = &[
    design(
        SUBJECTS,
        &[ViewText {
            name: "identities",
            map: include_str!("design/identities.js"),
            reduce: Reduce::None,
            is_used: true,
        }],
    ),
    design(
        "namespaceThrottlings",
        &[for_tools("blockedNamespaces", include_str!("design/blocked-namespaces.js"), Reduce::Sum)],
    ),
    SNAPSHOT_FILTERS,
];

impl Design {
    /// Makes the document if it is not there, else looks whether it has what is needed.
    ///
    /// # Errors
    /// When the database cannot be asked, or has a document of this name that does not serve.
    pub(crate) async fn ensure(&self, database: &Database) -> Result<(), StoreError> {
        if let Some(found) = database.design(self.name).await? {
            return self.check(database, &found.body);
        }
        tracing::info!(database = database.name(), design = self.name, "making a design document");
        if database.put_design(self.name, self.document()).await? {
            return Ok(());
        }
        // Somebody was quicker.
        match database.design(self.name).await? {
            Some(found) => self.check(database, &found.body),
            None => Err(self.unfit(database, "goes as it comes")),
        }
    }

    /// Waits until the views that are used have been built.
    ///
    /// # Errors
    /// Also when that takes longer than a slow request may: then the server goes on building, and it may be asked again.
    pub(crate) async fn warm_up(&self, database: &Database) -> Result<(), StoreError> {
        for view in self.views.iter().filter(|view| view.is_used) {
            let query = ViewQuery { limit: Some(1), ..ViewQuery::default() };
            database.view(View { design: self.name, name: view.name }, &query).await?;
        }
        Ok(())
    }

    fn check(&self, database: &Database, body: &RawValue) -> Result<(), StoreError> {
        match self.lacks(body) {
            None => Ok(()),
            Some(what) => Err(self.unfit(database, &format!("has no {what}"))),
        }
    }

    /// The first thing that the document needs to serve and does not have.
    fn lacks(&self, body: &RawValue) -> Option<String> {
        let document = Members::read(body).unwrap_or_default();
        let views = document.get("views").and_then(|views| Members::read(views).ok()).unwrap_or_default();
        self.views.iter().filter(|view| view.is_used).find_map(|needed| {
            let view = views.get(needed.name).and_then(|view| Members::read(view).ok()).unwrap_or_default();
            if view.string("map").is_none() {
                return Some(format!("view '{}'", needed.name));
            }
            let counts = view.string("reduce").is_some_and(|reduce| reduce.trim() == "_count");
            let needs_count = needed.reduce == Reduce::Count;
            (needs_count && !counts).then(|| format!("reduction '_count' in its view '{}'", needed.name))
        })
    }

    fn unfit(&self, database: &Database, why: &str) -> StoreError {
        StoreError::Unavailable(format!(
            "the document '_design/{}' of the database '{}' {why}; it is never changed once it is there",
            self.name,
            database.name()
        ))
    }

    fn document(&self) -> Box<RawValue> {
        let view = |view: &ViewText| {
            let reduce = match view.reduce {
                Reduce::None => None,
                Reduce::Count => Some("_count"),
                Reduce::Sum => Some("_sum"),
            };
            let mut members = Map::from_iter([("map".to_owned(), Value::from(view.map))]);
            members.extend(reduce.map(|reduce| ("reduce".to_owned(), reduce.into())));
            (view.name.to_owned(), Value::from(members))
        };
        let mut document = json!({ "language": "javascript" });
        if !self.views.is_empty() {
            document["views"] = self.views.iter().map(view).collect::<Map<_, _>>().into();
        }
        if !self.filters.is_empty() {
            let filters = self.filters.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text)));
            document["filters"] = filters.collect::<Map<_, _>>().into();
        }
        raw(&document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_are_made_serve() {
        for design in OF_ENTITIES.iter().chain(OF_ACTIVATIONS).chain(OF_SUBJECTS) {
            assert_eq!(design.lacks(&design.document()), None, "{}", design.name);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let lacks = |body: Value| OF_ENTITIES[0].lacks(&raw(&body));
        assert_eq!(lacks(json!({})).as_deref(), Some("view 'actions'"));
        let view = json!({ "map": "function (doc) {}" });
        assert_eq!(
            lacks(json!({ "views": { "actions": view } })).as_deref(),
            Some("reduction '_count' in its view 'actions'")
        );
    }
}
