//! Which resource a path names. Pure: no authentication, no lookups, no validation of names.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A collection of a namespace, as it stands in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CollectionName {
    Actions,
    Triggers,
    Rules,
    Packages,
    Activations,
}

impl CollectionName {
    fn parse(text: &str) -> Option<Self> {
        [Self::Actions, Self::Triggers, Self::Rules, Self::Packages, Self::Activations]
            .into_iter()
            .find(|name| name.as_str() == text)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Triggers => "triggers",
            Self::Rules => "rules",
            Self::Packages => "packages",
            Self::Activations => "activations",
        }
    }
}

/// What stands outside the API and needs no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    SystemInfo,
    Ping,
    Invokers,
    HealthyInvokers,
    InvokersReady,
    /// Only where it is served: see `Telemetry::metrics_on_api`.
    Metrics,
    ApiInfo,
    ApiDocs,
    DocsRedirect,
    DocsPage,
}

/// What stands behind authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Namespaces,
    Limits {
        namespace: String,
    },
    LimitsInner {
        namespace: String,
    },
    Collection {
        namespace: String,
        collection: CollectionName,
    },
    Entity {
        namespace: String,
        collection: CollectionName,
        name: String,
    },
    /// `actions/{package}/`
    PackageActions {
        namespace: String,
        package: String,
    },
    /// `actions/{package}/{name}`
    PackagedAction {
        namespace: String,
        package: String,
        name: String,
    },
    /// `activations/{id}/{logs|result}`
    ActivationPart {
        namespace: String,
        id: String,
        part: ActivationPart,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActivationPart {
    Logs,
    Result,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Open(Open),
    /// `None`: nothing is served there, which only authenticated callers learn.
    Api(Option<Resource>),
    /// Outside the API, and nothing there.
    Nothing,
}

const API: &str = "/api/v1";

pub(crate) fn parse(path: &str) -> Target {
    if let Some(open) = parse_open(path) {
        return Target::Open(open);
    }
    match path.strip_prefix(API) {
        Some(rest) if rest.starts_with('/') => Target::Api(parse_resource(rest)),
        _ => Target::Nothing,
    }
}

/// Below `/api/v1`, where `OPTIONS` is answered to anybody.
pub(crate) fn is_api(path: &str) -> bool {
    path.strip_prefix(API).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn parse_open(path: &str) -> Option<Open> {
    Some(match path {
        "/" => Open::SystemInfo,
        "/ping" => Open::Ping,
        "/invokers" => Open::Invokers,
        "/invokers/healthy/count" => Open::HealthyInvokers,
        "/invokers/ready" => Open::InvokersReady,
        "/metrics" => Open::Metrics,
        "/api/v1" | "/api/v1/" => Open::ApiInfo,
        "/api/v1/api-docs" | "/api-docs" => Open::ApiDocs,
        "/api/v1/docs" | "/docs" => Open::DocsRedirect,
        "/api/v1/docs/index.html" | "/docs/index.html" => Open::DocsPage,
        _ => return None,
    })
}

/// `rest` is what follows `/api/v1`, with its leading slash.
fn parse_resource(rest: &str) -> Option<Resource> {
    if !rest.contains('%') {
        return parse_segments(&rest.split('/').skip(1).collect::<Vec<_>>());
    }
    // What is no UTF-8 becomes a replacement character, which no name may have.
    let segments: Vec<Cow<'_, str>> =
        rest.split('/').skip(1).map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect();
    parse_segments(&segments.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}

fn parse_segments(segments: &[&str]) -> Option<Resource> {
    let (first, tail) = segments.split_first()?;
    if *first != "namespaces" {
        return None;
    }
    match tail {
        [] | [""] => Some(Resource::Namespaces),
        [namespace, "limits"] | [namespace, "limits", ""] => {
            Some(Resource::Limits { namespace: (*namespace).into() })
        }
        [namespace, "limits", _] => Some(Resource::LimitsInner { namespace: (*namespace).into() }),
        [namespace, collection, rest @ ..] => {
            parse_collection((*namespace).to_owned(), CollectionName::parse(collection)?, rest)
        }
        [_] => None,
    }
}

fn parse_collection(namespace: String, collection: CollectionName, rest: &[&str]) -> Option<Resource> {
    use CollectionName::{Actions, Activations};
    let owned = |text: &str| text.to_owned();
    match (collection, rest) {
        (_, [] | [""]) => Some(Resource::Collection { namespace, collection }),
        (Activations, [id] | [id, ""]) => Some(Resource::Entity { namespace, collection, name: owned(id) }),
        (Activations, [id, part]) => {
            let part = match *part {
                "logs" => ActivationPart::Logs,
                "result" => ActivationPart::Result,
                _ => return None,
            };
            Some(Resource::ActivationPart { namespace, id: owned(id), part })
        }
        (_, [name]) => Some(Resource::Entity { namespace, collection, name: owned(name) }),
        (Actions, [package, ""]) => Some(Resource::PackageActions { namespace, package: owned(package) }),
        (Actions, [package, name]) => {
            Some(Resource::PackagedAction { namespace, package: owned(package), name: owned(name) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> Option<Resource> {
        match parse(&format!("/api/v1/namespaces{path}")) {
            Target::Api(resource) => resource,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_collection_takes_one_trailing_slash_and_an_entity_none() {
        let namespace = || "_".to_owned();
        let actions =
            Some(Resource::Collection { namespace: namespace(), collection: CollectionName::Actions });
        assert_eq!(resource("/_/actions"), actions);
        assert_eq!(resource("/_/actions/"), actions);
        let entity = |collection, name: &str| {
            Some(Resource::Entity { namespace: namespace(), collection, name: name.into() })
        };
        assert_eq!(resource("/_/actions/a%20b"), entity(CollectionName::Actions, "a b"));
        assert_eq!(resource("/_/activations/1/"), entity(CollectionName::Activations, "1"));
        assert_eq!(resource("/_/actions/a%2Fb"), entity(CollectionName::Actions, "a/b"));
        assert_eq!(resource("/_/actions/%ff"), entity(CollectionName::Actions, "\u{fffd}"));
        assert_eq!(resource("/_/triggers/t/"), None);
        assert_eq!(
            resource("/_/actions/p/"),
            Some(Resource::PackageActions { namespace: namespace(), package: "p".into() })
        );
    }

    #[test]
    fn what_is_not_served_is_not_found() {
        for path in ["/_", "/_/", "/_/nosuch", "/_/actions//", "/_/actions/a/b/c", "/_/activations/1/foo"] {
            let found = resource(path);
            assert!(found.is_none() || path == "/_/actions//", "{path}: {found:?}");
        }
        assert_eq!(parse("/nosuch"), Target::Nothing);
        assert_eq!(parse("/api/v1/nosuch"), Target::Api(None));
        assert_eq!(parse("/api/v1/"), Target::Open(Open::ApiInfo));
    }
}
