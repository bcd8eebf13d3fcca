//! Tokens of a cache that is not there.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_core::cache::{CacheGrant, CacheUse};
use oxwhisk_core::entity::Activation;
use oxwhisk_core::id::ActivationId;
use oxwhisk_invoker::{CacheAccess, InvokerConfig};
use oxwhisk_invoker_api::{
    CacheContainer, CacheToken, CacheTokenError, CacheTokens, Caller, Dispatch, EndedObserver,
};

use crate::fixture::config;

pub(crate) const URL: &str = "redis://10.1.0.1:6379";

/// What it was told, and when others were told of an end, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Issued {
        id: ActivationId,
        token: String,
    },
    NotIssued(ActivationId),
    Revoked(ActivationId),
    Forgotten(String),
    /// Its record is about to be handed over.
    Ended(ActivationId),
}

/// The container that a token was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) is_alone: bool,
}

#[derive(Debug)]
pub(crate) enum Failure {
    Error(CacheTokenError),
    /// It never answers.
    Silence,
    /// None: it issues.
    No,
}

/// Numbers its tokens.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    events: Mutex<Vec<Event>>,
    pub(crate) places: Mutex<Vec<Place>>,
    /// Of the next tokens.
    pub(crate) failures: Mutex<VecDeque<Failure>>,
}

impl Tokens {
    /// With them, and with somebody who hears of each end.
    pub(crate) fn config(self: &Arc<Self>) -> InvokerConfig {
        let tokens = Arc::clone(self) as Arc<dyn CacheTokens>;
        let mut config = config();
        config.cache = Some(CacheAccess { tokens, url: URL.to_owned(), timeout: Duration::from_millis(50) });
        config.telemetry.ended = Some(Arc::clone(self) as Arc<dyn EndedObserver>);
        config
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    fn tell(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    /// What became of one activation, in order.
    pub(crate) fn of(&self, id: ActivationId) -> Vec<Event> {
        let is_its = |event: &Event| match event {
            Event::Issued { id: of, .. } => *of == id,
            Event::NotIssued(of) | Event::Revoked(of) | Event::Ended(of) => *of == id,
            Event::Forgotten(_) => false,
        };
        self.events().into_iter().filter(is_its).collect()
    }

    /// Its tokens, in order.
    pub(crate) fn issued(&self, id: ActivationId) -> Vec<String> {
        let token = |event| match event {
            Event::Issued { token, .. } => Some(token),
            _ => None,
        };
        self.of(id).into_iter().filter_map(token).collect()
    }

    pub(crate) fn fail(&self, failures: impl IntoIterator<Item = Failure>) {
        self.failures.lock().unwrap().extend(failures);
    }
}

pub(crate) fn away() -> Failure {
    Failure::Error(CacheTokenError::Away("no connection".to_owned()))
}

#[async_trait]
impl CacheTokens for Tokens {
    async fn issue(
        &self,
        dispatch: &Dispatch,
        container: CacheContainer<'_>,
    ) -> Result<CacheToken, CacheTokenError> {
        let id = dispatch.activation_id;
        let failure = self.failures.lock().unwrap().pop_front().unwrap_or(Failure::No);
        if !matches!(failure, Failure::No) {
            self.tell(Event::NotIssued(id));
        }
        match failure {
            Failure::Error(error) => return Err(error),
            Failure::Silence => std::future::pending().await,
            Failure::No => {}
        }
        let CacheContainer { name, address, is_alone } = container;
        let mut places = self.places.lock().unwrap();
        places.push(Place { name: name.to_owned(), address, is_alone });
        let token = format!("token{}", places.len());
        self.tell(Event::Issued { id, token: token.clone() });
        Ok(CacheToken(token))
    }

    fn revoke(&self, id: ActivationId) {
        self.tell(Event::Revoked(id));
    }

    fn forget(&self, container: &str) {
        self.tell(Event::Forgotten(container.to_owned()));
    }
}

impl EndedObserver for Tokens {
    fn ended(&self, _caller: &Caller, record: &Arc<Activation>) {
        self.tell(Event::Ended(record.activation_id));
    }
}

/// The dispatch of an action that uses the cache.
pub(crate) fn with_cache(mut dispatch: Dispatch, required: bool) -> Dispatch {
    dispatch.cache = Some(CacheUse { grant: Ok(CacheGrant::default()), required });
    dispatch
}
