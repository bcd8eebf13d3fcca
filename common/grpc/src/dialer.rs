//! How one service reaches another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::AddressError;
use crate::channel::{self, ChannelError};
use crate::{Address, Channel, ChannelOptions, Expected, TlsSource, Trust};

/// Most connections that are kept.
const MAX_KEPT: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// Makes channels to addresses that peers name, and keeps one to each.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// `None`: plain text.
    tls: Option<Arc<TlsSource>>,
    insecure: bool,
    options: ChannelOptions,
    kept: Arc<Mutex<HashMap<(String, String), Channel>>>,
}

impl Dialer {
    /// With mutual TLS.
    #[must_use]
    pub fn secure(tls: Arc<TlsSource>, options: ChannelOptions) -> Self {
        Self { tls: Some(tls), insecure: false, options, kept: Arc::default() }
    }

    /// Without TLS; to others than this machine only if `insecure` says so.
    #[must_use]
    pub fn plaintext(insecure: bool, options: ChannelOptions) -> Self {
        Self { tls: None, insecure, options, kept: Arc::default() }
    }

    /// A channel to a peer of that identity. Nothing is connected yet.
    ///
    /// # Errors
    /// When `address` is none, or may not be used like this.
    pub fn dial(&self, address: &str, expected: Expected) -> Result<Channel, DialError> {
        let key = (address.to_owned(), expected.to_string());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = kept.get(&key) {
            return Ok(channel.clone());
        }
        let trust = match &self.tls {
            Some(tls) => Trust::MutualTls { tls: Arc::clone(tls), expected },
            None => Trust::Plaintext { insecure: self.insecure },
        };
        let parsed: Address = address.parse()?;
        let channel = channel::connect(parsed, trust, &self.options)?;
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, channel.clone());
        Ok(channel)
    }
}
