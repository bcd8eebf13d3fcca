//! Whether a peer's certificate is signed by our authority, holds now, and names whom it should.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::identity::{Expected, Identity, IdentityError};

/// Clients need a certificate of our authority. Whom it names is read after the handshake.
pub(super) fn clients(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())
}

pub(super) fn server(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    expected: Expected,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(ExpectedServer { chain, expected }))
}

#[derive(Clone, Debug, thiserror::Error)]
enum Unexpected {
    #[error("{0}")]
    Nobody(#[from] IdentityError),
    #[error("the server is {actual} where {expected} is expected")]
    Other { actual: Identity, expected: Expected },
}

/// All that `rustls` checks, with the name that the certificate gives, if that name is one we expect: a wildcard or a
/// second name does not do, and a role can be expected instead of a name.
#[derive(Debug)]
struct ExpectedServer {
    chain: Arc<WebPkiServerVerifier>,
    expected: Expected,
}

impl ExpectedServer {
    fn named(&self, certificate: &CertificateDer<'_>) -> Result<Identity, Unexpected> {
        let actual = Identity::of_certificate(certificate)?;
        if self.expected.admits(&actual) {
            Ok(actual)
        } else {
            Err(Unexpected::Other { actual, expected: self.expected.clone() })
        }
    }
}

impl ServerCertVerifier for ExpectedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = |error: Unexpected| {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
        };
        let actual = self.named(end_entity).map_err(refused)?;
        let name = Expected::Peer(actual).server_name().map_err(|error| refused(error.into()))?;
        self.chain.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
