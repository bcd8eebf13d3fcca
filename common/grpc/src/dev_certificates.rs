//! An authority and certificates for development and tests. A deployment has its own: cert-manager, an operator.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::identity::Identity;
use crate::tls::TlsFiles;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot write '{}': {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, both in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

/// From when until when a certificate holds.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    pub from: SystemTime,
    pub to: SystemTime,
}

impl Validity {
    /// For a year; from an hour ago, since clocks differ.
    #[must_use]
    pub fn a_year() -> Self {
        let now = SystemTime::now();
        Self { from: now - Duration::from_secs(3600), to: now + Duration::from_secs(365 * 86_400) }
    }

    /// Over for a day.
    #[must_use]
    pub fn expired() -> Self {
        let now = SystemTime::now();
        Self { from: now - Duration::from_secs(10 * 86_400), to: now - Duration::from_secs(86_400) }
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn generate(name: &str) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let Validity { from, to } = Validity::a_year();
        (params.not_before, params.not_after) = (from.into(), to.into());
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.pem
    }

    /// A certificate for a peer.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue(&self, identity: &Identity, validity: Validity) -> Result<Issued, CertificateError> {
        self.issue_for_names(&[identity.dns_name()], validity)
    }

    /// A certificate for any DNS names and addresses, whether they name a peer or not.
    ///
    /// # Errors
    /// When a name cannot be one, or no key can be made.
    pub fn issue_for_names(&self, names: &[String], validity: Validity) -> Result<Issued, CertificateError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = named(names.first().map_or("nobody", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (validity.from.into(), validity.to.into());
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// Writes a peer's three files into `directory`, which is made, with names as [`TlsFiles::in_directory`] has them. Each
    /// appears whole; files that are there are replaced.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, directory: &Path, issued: &Issued) -> Result<TlsFiles, CertificateError> {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |source| CertificateError::Write { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(cannot(directory))?;
        let files = TlsFiles::in_directory(directory);
        for (path, content, mode) in [
            (&files.authority, &self.pem, 0o644),
            (&files.certificate, &issued.certificate, 0o644),
            (&files.key, &issued.key, 0o600),
        ] {
            write_whole(path, content, mode).map_err(cannot(path))?;
        }
        Ok(files)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    // X.509 has room for 64 characters here; peers are known by their DNS names.
    distinguished.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    distinguished
}

fn write_whole(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // A left-over may have another mode.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(content.as_bytes())?;
    fs::rename(&temporary, path)
}

/// Makes an authority and, in `directory/<role>-<name>/` each, certificates for these peers. The authority's key is kept
/// nowhere: for another peer, all are made again.
///
/// # Errors
/// When they cannot be made or written.
pub fn write_all(directory: &Path, identities: &[Identity]) -> Result<Vec<TlsFiles>, CertificateError> {
    let authority = Authority::generate("oxwhisk development")?;
    let write = |identity: &Identity| {
        let issued = authority.issue(identity, Validity::a_year())?;
        authority.write(&directory.join(format!("{}-{}", identity.role(), identity.name())), &issued)
    };
    identities.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::tls::TlsSource;

    #[test]
    fn written_files_are_a_peers() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let identities: Vec<Identity> =
            ["controller/c0", "cache-proxy/p"].map(|text| text.parse().unwrap()).into();
        let files = write_all(dir.path(), &identities).expect("written");
        for (files, identity) in files.into_iter().zip(identities) {
            assert_eq!(fs::metadata(&files.key).expect("there").permissions().mode() & 0o777, 0o600);
            assert_eq!(TlsSource::open(files).expect("usable").identity(), identity);
        }
        assert!(dir.path().join("cache-proxy-p/tls.key").exists());
    }
}
