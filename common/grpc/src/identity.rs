//! Who a peer is.
//!
//! A certificate of ours has one DNS name of the form `<name>.<role>.oxwhisk.internal` among its subject alternative
//! names, for example `invoker0.invoker.oxwhisk.internal`; other DNS names and addresses may stand beside it and mean
//! nothing. A DNS name and not a SPIFFE URI, because then every TLS client checks a server's identity by itself, and
//! `grpcurl -authority invoker0.invoker.oxwhisk.internal` works. `.internal` is reserved for private use, so no public
//! authority issues such names.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

/// What follows name and role.
pub const DOMAIN: &str = "oxwhisk.internal";
/// Characters of the longest name, as DNS has it.
pub const NAME_MAX: usize = 63;

/// What a process is for; services admit callers by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Controller,
    Invoker,
    CacheProxy,
    /// A person or program that administers: `wskadmin`.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Controller, Self::Invoker, Self::CacheProxy, Self::Admin];

    /// As it stands in certificates.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Invoker => "invoker",
            Self::CacheProxy => "cache-proxy",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let role = Self::ALL.into_iter().find(|role| role.name() == text);
        role.ok_or_else(|| IdentityError::Role(text.to_owned()))
    }
}

/// Why something names no peer of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("'{0}' is not a role: controller, invoker, cache-proxy or admin")]
    Role(String),
    #[error("'{0}' is not a name: 1 to {NAME_MAX} of a-z, 0-9 and '-', not at the ends")]
    Name(String),
    #[error("'{0}' is not '<role>/<name>'")]
    Form(String),
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("the certificate has no DNS name '<name>.<role>.{DOMAIN}'")]
    Missing,
    #[error("the certificate names more than one peer: {0} and {1}")]
    Several(Identity, Identity),
}

/// A peer: its role and, within the role, its name. Prints as `invoker/invoker0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    role: Role,
    name: String,
}

impl Identity {
    /// # Errors
    /// [`IdentityError::Name`] unless `name` can be a label in DNS, in small letters.
    pub fn new(role: Role, name: impl Into<String>) -> Result<Self, IdentityError> {
        let name = name.into();
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_known);
        if fits && !name.starts_with('-') && !name.ends_with('-') {
            Ok(Self { role, name })
        } else {
            Err(IdentityError::Name(name))
        }
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name in certificates.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}.{DOMAIN}", self.name, self.role)
    }

    /// Reads [`Identity::dns_name`]; `None` for names that mean nothing here, wildcards among them.
    #[must_use]
    pub fn of_dns_name(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (name, role) = text.strip_suffix(DOMAIN)?.strip_suffix('.')?.split_once('.')?;
        Self::new(role.parse().ok()?, name).ok()
    }

    /// The one peer that a certificate names. Who signed it is not looked at here.
    ///
    /// # Errors
    /// When it names none, or more than one.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let unreadable = |error: webpki::Error| IdentityError::Certificate(error.to_string());
        let certificate = EndEntityCert::try_from(certificate).map_err(unreadable)?;
        let mut named = certificate.valid_dns_names().filter_map(Self::of_dns_name);
        let first = named.next().ok_or(IdentityError::Missing)?;
        match named.find(|other| *other != first) {
            Some(other) => Err(IdentityError::Several(first, other)),
            None => Ok(first),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.role, self.name)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (role, name) = text.split_once('/').ok_or_else(|| IdentityError::Form(text.to_owned()))?;
        Self::new(role.parse()?, name)
    }
}

/// Whom a channel is willing to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This one.
    Peer(Identity),
    /// Anyone of this role: for an address that stands for several.
    Role(Role),
}

impl Expected {
    #[must_use]
    pub fn admits(&self, identity: &Identity) -> bool {
        match self {
            Self::Peer(expected) => expected == identity,
            Self::Role(role) => *role == identity.role,
        }
    }

    /// What to call the peer in the handshake and in requests.
    #[must_use]
    pub fn dns_name(&self) -> String {
        match self {
            Self::Peer(identity) => identity.dns_name(),
            Self::Role(role) => format!("{role}.{DOMAIN}"),
        }
    }

    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, IdentityError> {
        let name = self.dns_name();
        ServerName::try_from(name.clone()).map_err(|_| IdentityError::Name(name))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(identity) => identity.fmt(f),
            Self::Role(role) => write!(f, "{role}/*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identity_is_a_dns_name() {
        let identity: Identity = "cache-proxy/node-3".parse().unwrap();
        assert_eq!(identity.dns_name(), "node-3.cache-proxy.oxwhisk.internal");
        assert_eq!(Identity::of_dns_name(&identity.dns_name()), Some(identity));
    }

    #[test]
    fn other_names_mean_nothing() {
        for name in [
            "oxwhisk.internal",
            "invoker.oxwhisk.internal",
            "*.invoker.oxwhisk.internal",
            "a.b.invoker.oxwhisk.internal",
            "invoker0.invoker.oxwhisk.internal.example.org",
            "invoker0.king.oxwhisk.internal",
            "invoker0.invokeroxwhisk.internal",
            "localhost",
        ] {
            assert_eq!(Identity::of_dns_name(name), None, "{name}");
        }
    }

    #[test]
    fn texts_that_are_no_identity_are_named() {
        for (text, error) in [
            ("invoker0", "'invoker0' is not '<role>/<name>'"),
            ("king/a", "'king' is not a role: controller, invoker, cache-proxy or admin"),
            ("invoker/", "'' is not a name: 1 to 63 of a-z, 0-9 and '-', not at the ends"),
            ("invoker/A", "'A' is not a name: 1 to 63 of a-z, 0-9 and '-', not at the ends"),
            ("invoker/-a", "'-a' is not a name: 1 to 63 of a-z, 0-9 and '-', not at the ends"),
        ] {
            assert_eq!(text.parse::<Identity>().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_role_is_expected_of_anybody_who_has_it() {
        let controller: Identity = "controller/c1".parse().unwrap();
        assert!(Expected::Role(Role::Controller).admits(&controller));
        assert!(!Expected::Role(Role::Admin).admits(&controller));
        assert!(Expected::Peer(controller.clone()).admits(&controller));
        assert!(!Expected::Peer("controller/c2".parse().unwrap()).admits(&controller));
    }

    proptest! {
        #[test]
        fn names_survive_both_forms(name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", role in 0..4_usize) {
            let identity = Identity::new(Role::ALL[role], name).unwrap();
            prop_assert_eq!(&identity.to_string().parse::<Identity>().unwrap(), &identity);
            prop_assert_eq!(Identity::of_dns_name(&identity.dns_name()), Some(identity));
        }
    }
}
