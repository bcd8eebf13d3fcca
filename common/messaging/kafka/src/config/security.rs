//! How a client shows who it is, and knows whom it talks to.

use std::path::PathBuf;

use secrecy::SecretString;

/// Neither is plain text, for loopback and networks one trusts.
#[derive(Clone, Debug, Default)]
pub struct Security {
    pub tls: Option<Tls>,
    pub sasl: Option<Sasl>,
}

/// The broker's certificate is always checked, its host name included.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// PEM of the authorities that are trusted; without one, those of the system.
    pub ca: Option<PathBuf>,
    pub client: Option<ClientCertificate>,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub key_password: Option<SecretString>,
}

#[derive(Clone, Debug)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub username: String,
    pub password: SecretString,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanism {
    #[default]
    ScramSha512,
    ScramSha256,
    /// The password goes over the wire: only with TLS.
    Plain,
}

impl Mechanism {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }

    /// # Errors
    /// A text for people that names those there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::ScramSha512, Self::ScramSha256, Self::Plain];
        let found = all.into_iter().find(|mechanism| mechanism.name() == text);
        found.ok_or_else(|| format!("'{text}' is none of SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN"))
    }
}

impl Security {
    /// Kafka's name for it.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// Who we are to Kafka, for messages.
    #[must_use]
    pub fn principal(&self) -> String {
        match (&self.sasl, &self.tls) {
            (Some(sasl), _) => format!("the user '{}'", sasl.username),
            (None, Some(Tls { client: Some(client), .. })) => {
                format!("the holder of the certificate {}", client.certificate.display())
            }
            (None, _) => "a client without a name".to_owned(),
        }
    }
}
