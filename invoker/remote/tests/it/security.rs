//! Who may converse.

use std::sync::Arc;

use oxwhisk_grpc::dev_certificates::{Authority, Validity};
use oxwhisk_grpc::{ChannelOptions, Expected, Identity, Security, TlsFiles, TlsSource};
use oxwhisk_invoker_remote::Dialer;
use oxwhisk_invoker_remote::client::Heard;
use oxwhisk_invoker_remote::server::InvokerServerOptions;
use oxwhisk_messaging::memory::MemoryBus;

use crate::fixture::{Rig, controller};

fn files(authority: &Authority, directory: &std::path::Path, name: &str) -> TlsFiles {
    let identity: Identity = name.parse().unwrap();
    let issued = authority.issue(&identity, Validity::a_year()).unwrap();
    authority.write(directory, &issued).unwrap()
}

fn dialer(files: TlsFiles) -> Dialer {
    Dialer::secure(Arc::new(TlsSource::open(files).unwrap()), ChannelOptions::default())
}

async fn first(dialer: &Dialer, rig: &Rig, expected: &str) -> Heard {
    let expected = Expected::Peer(expected.parse().unwrap());
    let channel = dialer.dial(&rig.address.to_string(), expected).unwrap();
    let mut controller = controller(channel, 1);
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(700), controller.next());
    waiting.await.unwrap_or(Heard::Broken)
}

#[tokio::test]
async fn only_controllers_converse_under_their_own_name_with_the_invoker_they_mean() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::generate("test").unwrap();
    let at = |name: &str| {
        let path = directory.path().join(name.replace('/', "-"));
        std::fs::create_dir(&path).unwrap();
        files(&authority, &path, name)
    };
    let server = TlsSource::open(at("invoker/invoker3")).unwrap();
    let rig = Rig::with(
        InvokerServerOptions::default(),
        Arc::new(MemoryBus::default()),
        Security::MutualTls(Arc::new(server)),
        "127.0.0.1:0".parse().unwrap(),
    )
    .await;
    let controller0 = dialer(at("controller/controller0"));
    assert!(matches!(first(&controller0, &rig, "invoker/invoker3").await, Heard::Welcome(_)));
    // And gets what it wants.
    let expected = Expected::Peer("invoker/invoker3".parse().unwrap());
    let mut wanting = controller(controller0.dial(&rig.address.to_string(), expected).unwrap(), 2);
    wanting.welcome().await;
    assert!(matches!(wanting.want(1).await[..], [Heard::Offer(_)]));
    drop(wanting);
    // Meant for another invoker: the certificate says no.
    assert!(!matches!(first(&controller0, &rig, "invoker/invoker4").await, Heard::Welcome(_)));
    // An invoker is no controller; and controller1 is not controller0, whose name the hello says.
    for stranger in ["invoker/invoker5", "admin/me", "controller/controller1"] {
        let stranger = dialer(at(stranger));
        assert!(!matches!(first(&stranger, &rig, "invoker/invoker3").await, Heard::Welcome(_)));
    }
}
