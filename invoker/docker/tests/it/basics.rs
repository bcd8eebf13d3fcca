//! What must work.

use oxwhisk_container::{ContainerFactory, CreateError, ExitReason};

use crate::rig::{LIMIT, Rig, read_to_end, spec};

#[tokio::test]
async fn a_server_is_reached_at_its_address() {
    let Some(rig) = Rig::start("a_server_is_reached_at_its_address").await else { return };
    let action = rig.probe("server").await;
    assert_eq!(action.run("result = 6 * 7").await, "42");
    assert_eq!(action.container.exit_reason().await, None);
    assert_eq!(action.container.name(), "wsk0_server");
    rig.factory.ping().await.unwrap();
    rig.end().await;
}

#[tokio::test]
async fn the_host_sees_it_come_from_its_own_address() {
    let Some(rig) = Rig::start("the_host_sees_it_come_from_its_own_address").await else { return };
    let action = rig.probe("caller").await;
    let format = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway: std::net::IpAddr = rig.inspect(&*action.container, format).parse().unwrap();
    let listener = tokio::net::TcpListener::bind((gateway, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let code = format!("import socket; result = socket.create_connection(('{gateway}', {port}), 20) and 1");
    let (connected, accepted) =
        tokio::join!(action.run(&code), tokio::time::timeout(LIMIT, listener.accept()));
    assert_eq!(connected, "1");
    let (_, caller) = accepted.unwrap().unwrap();
    assert_eq!(action.container.address(), Some(caller.ip()));
    rig.end().await;
}

#[tokio::test]
async fn the_environment_is_what_was_asked_for() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| {
        config.containers.environment = vec![("EXTRA".to_owned(), "a=b c".to_owned())];
        config.containers.dns_servers = vec!["192.0.2.1".to_owned()];
        config.containers.dns_search = vec!["example.com".to_owned()];
        config.containers.dns_options = vec!["ndots:3".to_owned()];
        let hosts = vec!["elsewhere:192.0.2.2".to_owned()];
        config.containers.extra_args.insert("add-host".to_owned(), hosts);
    };
    let Some(rig) = Rig::with("the_environment_is_what_was_asked_for", change).await else { return };
    let action = rig.probe("environment").await;
    let environment = action.run("import os; result = sorted(os.environ)").await;
    assert_eq!(environment, "['EXTRA', 'HOME', 'HOSTNAME', 'LC_CTYPE', 'PATH', '__OW_API_HOST']");
    assert_eq!(action.run("import os; result = os.environ['EXTRA']").await, "'a=b c'");
    let resolv = action.run("result = open('/etc/resolv.conf').read()").await;
    for part in ["nameserver 192.0.2.1", "search example.com", "ndots:3"] {
        assert!(resolv.contains(part), "{resolv}");
    }
    let hosts = action.run("result = open('/etc/hosts').read()").await;
    assert!(hosts.contains("192.0.2.2\\telsewhere"), "{hosts}");
    rig.end().await;
}

#[tokio::test]
async fn labels_say_whose_a_container_is() {
    let Some(rig) = Rig::start("labels_say_whose_a_container_is").await else { return };
    let container = rig.create(spec("labels", "silent")).await;
    let label = |name: &str| {
        rig.inspect(&*container, &format!("{{{{index .Config.Labels \"org.oxwhisk.{name}\"}}}}"))
    };
    assert_eq!((label("cluster"), label("invoker")), (rig.config.cluster.clone(), "0".to_owned()));
    assert_eq!(label("kind"), "test:1");
    let format = "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Privileged}} {{len .Mounts}} {{.HostConfig.Memory}}";
    assert!(rig.inspect(&*container, format).ends_with("false 0 134217728"));
    rig.end().await;
}

#[tokio::test]
async fn an_entry_that_dies_is_noticed() {
    let Some(rig) = Rig::start("an_entry_that_dies_is_noticed").await else { return };
    let container = rig.create(spec("dies", "dies")).await;
    let listening = tokio::time::timeout(LIMIT, container.listening()).await.unwrap();
    assert_eq!(listening, Err(ExitReason::Exited(3)));
    assert_eq!(container.exit_reason().await, Some(ExitReason::Exited(3)));
    assert_eq!(read_to_end(container.take_logs().unwrap()).await, ("last words\n".to_owned(), String::new()));
    assert!(container.take_logs().is_none());
    container.destroy().await.unwrap();
    rig.end().await;
}

#[tokio::test]
async fn an_image_without_its_entry_is_the_users_fault() {
    let Some(rig) = Rig::start("an_image_without_its_entry_is_the_users_fault").await else { return };
    let mut spec = spec("nowhere", "nowhere");
    assert!(matches!(rig.factory.create(spec.clone()).await, Err(CreateError::Platform(_))));
    rig.daemon.docker(&["tag", &spec.image, "oxwhisk-test/nowhere:1"]);
    (spec.image, spec.user_provided_image) = ("oxwhisk-test/nowhere:1".to_owned(), true);
    let error = rig.factory.create(spec).await.unwrap_err();
    assert!(matches!(error, CreateError::CommandNotFound { .. }), "{error:?}");
    assert_eq!(error.to_string(), "executable file not found in image oxwhisk-test/nowhere:1");
    // What was created on the way is removed.
    crate::rig::eventually("nothing is left", async || rig.containers().is_empty()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_taken_over() {
    let Some(rig) = Rig::start("a_name_that_is_taken_is_taken_over").await else { return };
    let first = rig.create(spec("twice", "silent")).await;
    let second = rig.create(spec("twice", "silent")).await;
    assert_eq!(first.exit_reason().await, Some(ExitReason::Signalled(9)));
    assert_eq!(second.exit_reason().await, None);
    rig.end().await;
}

#[tokio::test]
async fn starts_side_by_side_are_bounded_and_all_succeed() {
    let change = |config: &mut oxwhisk_docker::DockerConfig| config.parallel_runs = Some(2);
    let Some(rig) = Rig::with("starts_side_by_side_are_bounded_and_all_succeed", change).await else {
        return;
    };
    let creations = (0..6).map(|number| rig.create(spec(&format!("many_{number}"), "silent")));
    let containers = futures_util::future::join_all(creations).await;
    assert_eq!((containers.len(), rig.containers().len()), (6, 6));
    let addresses: std::collections::HashSet<String> =
        containers.iter().map(|container| format!("{:?}", container.endpoint())).collect();
    assert_eq!(addresses.len(), 6);
    rig.end().await;
}
