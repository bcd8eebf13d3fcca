//! Mutual TLS from files: the authority that signs all certificates, the own certificate, its key.
//!
//! Certificates live for days and are replaced by somebody else (an operator, cert-manager), so files are looked at again
//! before each handshake, which costs three `stat` calls. New files hold for new handshakes; connections that are there
//! go on. Files that cannot be used (half of a replacement, a key that does not fit) are logged once and the old ones
//! kept. Only TLS 1.3 is spoken, without resumption: a session would outlive the certificate it began with.

mod material;
mod source;
mod verify;

pub use material::{TlsError, TlsFiles};
pub use source::TlsSource;
