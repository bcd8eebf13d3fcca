//! What administrators see and do.

use oxwhisk_cache_proxy::{Administration, NotFlushed, Order};
use oxwhisk_core::cache::CacheTier;

use crate::fixture::{Cache, order, order_in, say};

#[test]
fn a_namespace_is_emptied_and_nobody_else_loses_anything() {
    let Some(cache) = Cache::start("a_namespace_is_emptied_and_nobody_else_loses_anything") else { return };
    let (mut one, mut same) = (cache.client("/guest/a"), cache.client("/guest/b"));
    let others = cache.begin(Order { namespace_uuid: "another".into(), ..order("/guest/a") });
    let mut other = cache.connect();
    others.log_in(&mut other);
    for number in 0..2500 {
        one.call(&["SET", &number.to_string(), "v"]);
    }
    say(&mut same, "SET k v");
    say(&mut other, "SET k v");
    let administration = Administration::of(&cache.proxy);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let uuid = order("/guest/a").namespace_uuid;
    assert_eq!(runtime.block_on(administration.flush(&uuid, CacheTier::Local)), Ok(2501));
    assert_eq!((say(&mut one, "DBSIZE"), say(&mut same, "EXISTS k")), (":0|".to_owned(), ":0|".to_owned()));
    assert_eq!(say(&mut other, "GET k"), "$1|v|");
    assert_eq!(runtime.block_on(administration.flush("nobody", CacheTier::Local)), Ok(0));
    let none = runtime.block_on(administration.flush(&uuid, CacheTier::Global));
    assert_eq!(none, Err(NotFlushed::NoTier));
}

#[test]
fn sessions_say_whose_activation_each_is_served_for() {
    let Some(cache) = Cache::start("sessions_say_whose_activation_each_is_served_for") else { return };
    let administration = Administration::of(&cache.proxy);
    let running = cache.begin(order_in("c", "/guest/a"));
    let (mut client, mut stranger) = (cache.connect(), cache.connect());
    running.log_in(&mut client);
    say(&mut client, "SET k v");
    say(&mut client, "GET k");
    say(&mut stranger, "PING");
    let sessions = administration.sessions();
    let login = sessions[0].login.as_ref().unwrap();
    assert_eq!((&*login.container, login.activation_id), ("c", Some(running.id)));
    assert_eq!((sessions[0].commands, sessions.len()), (2, 2));
    assert!(sessions[1].login.is_none());
    cache.end(&running);
    let suspended = administration.sessions()[0].login.clone().unwrap();
    assert_eq!((&*suspended.container, suspended.activation_id), ("c", None));
    drop((client, stranger));
    crate::fixture::until("connections have ended", || administration.sessions().is_empty());
}
