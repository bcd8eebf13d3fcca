//! Who may ask.

use std::path::Path;
use std::sync::Arc;

use oxwhisk_grpc::dev_certificates::{Authority, Validity};
use oxwhisk_grpc::{Expected, Identity, Security, TlsFiles, TlsSource, Trust};
use oxwhisk_invoker_api::{CacheTokenError, CacheTokens as _};

use crate::fixture::{Invoker, Rig, claims, container, dispatch};

fn files(authority: &Authority, directory: &Path, name: &str) -> TlsFiles {
    let directory = directory.join(name.replace('/', "-"));
    std::fs::create_dir(&directory).unwrap();
    let identity: Identity = name.parse().unwrap();
    let issued = authority.issue(&identity, Validity::a_year()).unwrap();
    authority.write(&directory, &issued).unwrap()
}

#[tokio::test]
async fn a_ticket_is_of_use_to_the_invoker_that_its_certificate_names_alone() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::generate("test").unwrap();
    let open = |name: &str| Arc::new(TlsSource::open(files(&authority, directory.path(), name)).unwrap());
    let rig = Rig::start(Security::MutualTls(open("cache-proxy/node1")), "127.0.0.1:0").await;
    let expected = Expected::Peer("cache-proxy/node1".parse().unwrap());
    let invoker = |name: &str, number: u32| {
        let trust = Trust::MutualTls { tls: open(name), expected: expected.clone() };
        Invoker::new(rig.channel(trust), number)
    };
    let mine = invoker("invoker/invoker3", 3);
    let ticket = claims(mine.id);
    assert!(mine.tokens.issue(&dispatch(&ticket), container("c")).await.is_ok());
    // Whatever number it says it has.
    let thief = invoker("invoker/invoker4", 3);
    let stolen = thief.tokens.issue(&dispatch(&ticket), container("c")).await;
    assert_eq!(stolen, Err(CacheTokenError::Refused("the ticket was made for invoker3".to_owned())));
    // Nobody else gets as far as that.
    let controller = invoker("controller/controller0", 3);
    assert!(controller.tokens.issue(&dispatch(&ticket), container("c")).await.is_err());
    assert_eq!(rig.control.tokens(), 1);
}
