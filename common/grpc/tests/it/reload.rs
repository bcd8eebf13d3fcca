//! Files that are replaced while they are used.

use std::fs;

use oxwhisk_grpc::dev_certificates::{Authority, Validity};
use oxwhisk_grpc::{Role, TlsError, TlsFiles, TlsSource};

use crate::fixture::{Certificates, identity, open, start_tls, who};

#[tokio::test]
async fn a_new_authority_holds_for_new_connections_and_old_ones_go_on() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    let trust = certificates.trust("admin/anna", "controller/c0");
    let old = open(&server.address, trust.clone());
    assert_eq!(who(old.clone()).await.expect("an answer"), "admin/anna");

    let renewed = Certificates { authority: Authority::generate("new").expect("made"), ..certificates };
    renewed.files("controller/c0");
    assert_eq!(who(old).await.expect("the connection goes on"), "admin/anna");
    // The client's own files are the old ones still.
    assert!(who(open(&server.address, trust.clone())).await.is_err());
    renewed.files("admin/anna");
    assert_eq!(who(open(&server.address, trust)).await.expect("an answer"), "admin/anna");
}

#[tokio::test]
async fn broken_files_are_not_taken_and_whole_ones_are() {
    let certificates = Certificates::new();
    let server = start_tls(&certificates).await;
    let files = TlsFiles::in_directory(&certificates.dir.path().join("controller/c0"));
    let trust = || certificates.trust("admin/anna", "controller/c0");
    let other_key =
        certificates.authority.issue(&identity("controller/c0"), Validity::a_year()).expect("issued").key;
    for (path, content) in
        [(&files.key, other_key.as_str()), (&files.certificate, "half"), (&files.authority, "")]
    {
        fs::write(path, content).expect("writable");
        assert_eq!(who(open(&server.address, trust())).await.expect("the old ones hold"), "admin/anna");
    }
    fs::remove_file(&files.key).expect("removable");
    assert_eq!(who(open(&server.address, trust())).await.expect("the old ones hold"), "admin/anna");
    certificates.files("controller/c0");
    assert_eq!(who(open(&server.address, trust())).await.expect("the new ones"), "admin/anna");
}

#[test]
fn another_identity_is_taken_with_its_files() {
    let certificates = Certificates::new();
    let files = certificates.files("invoker/i0");
    let source = TlsSource::open(files.clone()).expect("usable");
    let issued = certificates.authority.issue(&identity("invoker/i1"), Validity::a_year()).expect("issued");
    certificates.authority.write(files.key.parent().expect("a directory"), &issued).expect("written");
    assert_eq!((source.identity().role(), source.identity().name()), (Role::Invoker, "i1"));
}

#[test]
fn files_that_cannot_be_used_at_the_start_are_named() {
    let certificates = Certificates::new();
    let files = certificates.files("admin/a");
    let open = |files: &TlsFiles| TlsSource::open(files.clone()).expect_err("unusable").to_string();
    let missing = TlsFiles { key: files.key.with_extension("none"), ..files.clone() };
    assert!(open(&missing).contains("tls.none' cannot be read"), "{}", open(&missing));
    let swapped = TlsFiles { key: files.certificate.clone(), ..files.clone() };
    assert!(
        open(&swapped).ends_with("tls.crt' cannot be used: it holds no private key in PEM"),
        "{}",
        open(&swapped)
    );
    let empty = TlsFiles { authority: files.key.clone(), ..files.clone() };
    assert!(
        open(&empty).ends_with("tls.key' cannot be used: it holds no certificate in PEM"),
        "{}",
        open(&empty)
    );
    let others = certificates.files("admin/b");
    let mixed = TlsFiles { key: others.key, ..files };
    assert!(open(&mixed).ends_with("it is not the key of the certificate"), "{}", open(&mixed));
    assert!(matches!(TlsSource::open(mixed), Err(TlsError::Content { .. })));
}
