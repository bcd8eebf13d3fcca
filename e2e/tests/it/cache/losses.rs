//! What is lost when something dies, and what goes on.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::{Signal, kill};
use oxwhisk_e2e::{Server, ServerOptions, action, shared, wait};
use serde_json::{Value, json};

use super::attack_secrets::redis_of;
use super::{HELPER_JS, HELPER_PY, helped, is_there, with_cache};

fn is_possible(test: &str) -> bool {
    is_there(test) && shared::is_standalone(test, "a deployment of a test's own has no cache")
}

#[test]
fn a_redis_that_dies_takes_its_keys_along_and_comes_back() {
    let test = "a_redis_that_dies_takes_its_keys_along_and_comes_back";
    if !is_possible(test) {
        return;
    }
    // Its program can be taken away, and it stays away until it is put back.
    let programs = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(programs.path(), std::fs::Permissions::from_mode(0o755)).expect("own directory");
    let program = programs.path().join("redis-server");
    let path = std::env::var("PATH").expect("a PATH");
    let real = std::env::split_paths(&path).map(|dir| dir.join("redis-server")).find(|file| file.is_file());
    let put_back = || {
        std::os::unix::fs::symlink(real.as_ref().expect("it is installed"), &program).expect("own directory")
    };
    put_back();
    let path = format!("{}:{path}", programs.path().display());
    let Some(server) = shared::own_server(test, &ServerOptions::default().env("PATH", &path)) else { return };
    let tenant = server.special(oxwhisk_e2e::users::Special::Busy);
    for (name, body) in [("nodejs", action::nodejs(HELPER_JS)), ("python", action::python(HELPER_PY))] {
        tenant.create(name, &with_cache(body, json!(true)));
        assert_eq!(helped(&tenant, name, &json!([["set", "k", "v"]])), json!([null]));
    }
    let redis = redis_of(&server);
    std::fs::remove_file(&program).expect("own file");
    kill(redis, Signal::SIGKILL).expect("it runs");
    let get = |name: &str| helped(&tenant, name, &json!([["get", "k"]]))[0].take();
    for name in ["nodejs", "python"] {
        wait::until("the cache to be away", || match get(name) {
            Value::String(text) if text.starts_with("CacheUnavailable: ") => Ok(()),
            other => Err(other.to_string()),
        });
    }
    put_back();
    for name in ["nodejs", "python"] {
        wait::until("the cache to be back", || match get(name) {
            Value::Null => Ok(()),
            Value::String(text) if text.starts_with("CacheUnavailable: ") => Err(text),
            other => panic!("{other}"),
        });
        assert_eq!(helped(&tenant, name, &json!([["set", "k", "w"], ["get", "k"]])), json!([null, "w"]));
    }
    assert_ne!(redis_of(&server), redis, "it is another one");
}

#[test]
fn a_server_that_starts_again_has_an_empty_cache() {
    let test = "a_server_that_starts_again_has_an_empty_cache";
    if !is_possible(test) {
        return;
    }
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = ServerOptions::default().data_dir(data.path());
    let Some(server) = shared::own_server(test, &options) else { return };
    let tenant = server.tenant(0);
    tenant.create("a", &with_cache(action::nodejs(HELPER_JS), json!(true)));
    assert_eq!(helped(&tenant, "a", &json!([["set", "k", "v"], ["get", "k"]])), json!([null, "v"]));
    drop(tenant);
    let redis = redis_of(&server);
    server.kill9();
    // It dies with its server; nobody may have taken notice of that yet.
    wait::until("the end of its redis-server", || match std::fs::read_link(format!("/proc/{redis}/exe")) {
        Ok(_) => Err("it runs".to_owned()),
        Err(_) => Ok(()),
    });
    let server = Server::start(&options);
    let tenant = server.tenant(0);
    let replies = helped(&tenant, "a", &json!([["get", "k"], ["set", "k", "w"], ["get", "k"]]));
    assert_eq!(replies, json!([null, null, "w"]));
}
