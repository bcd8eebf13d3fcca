//! Whose keys are whose.

use oxwhisk_core::cache::{CacheGrant, CacheScope};

use crate::fixture::{Cache, order, order_in};

#[test]
fn actions_do_not_see_each_others_keys_unless_they_share_a_scope() {
    let Some(cache) = Cache::start("actions_do_not_see_each_others_keys_unless_they_share_a_scope") else {
        return;
    };
    let (mut one, mut same, mut other) =
        (cache.client("/guest/a"), cache.client("/guest/a"), cache.client("/guest/b"));
    assert_eq!(one.call(&["SET", "k", "1"]).text(), "OK");
    assert_eq!(same.call(&["GET", "k"]).text(), "1");
    assert_eq!(other.call(&["EXISTS", "k"]).number(), 0);
    assert_eq!(other.call(&["DBSIZE"]).number(), 0);
    assert_eq!(one.call(&["DBSIZE"]).number(), 1);
    let mut shared = ["/guest/a", "/guest/b"].map(|action| {
        let grant = CacheGrant { scope: CacheScope::Namespace, ..CacheGrant::default() };
        let running = cache.begin(oxwhisk_cache_proxy::Order { grant, ..order(action) });
        let mut client = cache.connect();
        running.log_in(&mut client);
        client
    });
    assert_eq!(shared[0].call(&["SET", "k", "2"]).text(), "OK");
    assert_eq!(shared[1].call(&["GET", "k"]).text(), "2");
    assert_eq!(one.call(&["GET", "k"]).text(), "1");
}

#[test]
fn a_client_of_a_warm_container_goes_on_with_the_next_activation() {
    let Some(cache) = Cache::start("a_client_of_a_warm_container_goes_on_with_the_next_activation") else {
        return;
    };
    let first = cache.begin(order_in("c", "/guest/a"));
    let mut client = cache.connect();
    first.log_in(&mut client);
    let mut running = first;
    for round in 1..300 {
        assert_eq!(client.call(&["INCR", "n"]).number(), round);
        cache.end(&running);
        assert_eq!(client.call(&["INCR", "n"]).text(), "NOAUTH Authentication required.");
        // The token is worth nothing, there neither.
        assert!(cache.connect().call(&["AUTH", &running.token.reveal()]).text().starts_with("WRONGPASS"));
        running = cache.begin(order_in("c", "/guest/a"));
    }
}
