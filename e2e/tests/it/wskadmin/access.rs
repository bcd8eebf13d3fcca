//! Who gets to the admin API.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;

use oxwhisk_e2e::wskadmin::Wskadmin;
use oxwhisk_e2e::{Server, ServerOptions, ports, process, report, shared};

use super::{SOCKET, with_socket};

const STRANGER: u32 = 65534;

#[test]
fn the_socket_is_its_owners_alone() {
    let Some((server, _)) = with_socket("the_socket_is_its_owners_alone") else { return };
    let socket = fs::metadata(server.data_dir().join("admin.sock")).expect("a socket");
    assert_eq!(socket.mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(server.data_dir()).expect("there").mode() & 0o777, 0o700);
}

#[test]
fn a_stranger_is_refused_even_where_the_files_are_open() {
    let name = "a_stranger_is_refused_even_where_the_files_are_open";
    if !shared::is_standalone(name, SOCKET) {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        report::skipped(name, "only root can be somebody else");
        return;
    }
    let server = Server::start(&ServerOptions::default());
    let admin = Wskadmin::of(&server);
    // The binary where a stranger can run it: a build may be in somebody's home.
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("own");
    let binary = dir.path().join("wskadmin");
    fs::copy(admin.command().get_program(), &binary).expect("copied");
    let link = dir.path().join("admin.sock");
    let run = |uid: u32| {
        let mut command = std::process::Command::new(&binary);
        command
            .env_clear()
            .uid(uid)
            .arg("--endpoint")
            .arg(format!("unix:{}", link.display()))
            .args(["queue", "depth"]);
        process::run(command)
    };
    // A name for the socket that a stranger may open.
    fs::hard_link(server.data_dir().join("admin.sock"), &link).expect("linked");
    let closed = run(STRANGER);
    assert_eq!(closed.status.code(), Some(1), "{closed:?}");
    assert!(closed.stdout.contains("Permission denied"), "{closed:?}");
    fs::set_permissions(&link, Permissions::from_mode(0o777)).expect("own");
    let refused = run(STRANGER);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stdout.starts_with("Failed to get queue depths ("), "{refused:?}");
    let allowed = run(0);
    assert_eq!(allowed.status.code(), Some(0), "{allowed:?}");
}

#[test]
fn garbage_on_the_socket_harms_nothing() {
    let Some((server, admin)) = with_socket("garbage_on_the_socket_harms_nothing") else { return };
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 1000],
        &[0xff; 1000],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense!",
    ] {
        let mut stream = UnixStream::connect(server.data_dir().join("admin.sock")).expect("connected");
        // The server may close before all is written, and with a reset.
        let _ = stream.write_all(bytes);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    admin.output(&["queue", "depth"]);
    server.api().get("/api/v1").send().expect(200);
}

#[test]
fn an_address_of_its_own_is_served_when_named() {
    let name = "an_address_of_its_own_is_served_when_named";
    let address = format!("127.0.0.1:{}", ports::free());
    let options = ServerOptions::default().admin_in_plain_text(&address);
    let Some(server) = shared::own_server(name, &options) else { return };
    let admin = Wskadmin::of(&server);
    let mut command = admin.command();
    command.args(["queue", "depth", "--endpoint", &address]);
    assert_eq!(process::run(command).status.code(), Some(0));
    let mut command = admin.command();
    command.env("OXWHISK_ADMIN_ENDPOINT", &address).args(["queue", "depth"]);
    assert_eq!(process::run(command).status.code(), Some(0));
}

#[test]
fn plain_text_elsewhere_is_refused_at_the_start() {
    let name = "plain_text_elsewhere_is_refused_at_the_start";
    if !shared::can_own_server(name) {
        return;
    }
    let options = ServerOptions::default();
    let refused =
        Server::try_start(&options.clone().admin_in_plain_text("0.0.0.0:0")).expect_err("not admitted");
    assert!(refused.contains("plain text is refused on 0.0.0.0:0"), "{refused}");
    Server::try_start(&options.admin_in_plain_text_for_anybody("0.0.0.0:0")).expect("admitted");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let Some((_, admin)) = with_socket("a_server_that_is_not_there_is_named") else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = admin.command();
    command.arg("--data-dir").arg(dir.path()).args(["user", "get", "guest"]);
    let gone = process::run(command);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    let socket = dir.path().join("admin.sock");
    let text = format!("Failed to get subject (cannot connect to unix:{}: No such file", socket.display());
    assert!(gone.stdout.starts_with(&text), "{gone:?}");
    let mut command = admin.command();
    command.env("HOME", dir.path()).args(["user", "get", "guest"]);
    let none = process::run(command);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    assert!(none.stdout.starts_with("no server runs in "), "{none:?}");
}

#[test]
fn the_only_server_of_a_user_is_found() {
    let name = "the_only_server_of_a_user_is_found";
    let home = tempfile::tempdir().expect("a temporary directory");
    let data = home.path().join(".openwhisk/standalone/server-3233");
    if !shared::is_standalone(
        name,
        "it is about the standalone server's data directory, which nothing else has",
    ) {
        return;
    }
    let server = Server::start(&ServerOptions::default().data_dir(&data));
    let mut command = Wskadmin::of(&server).command();
    command.env("HOME", home.path()).args(["queue", "depth"]);
    assert_eq!(process::run(command).status.code(), Some(0));
}
