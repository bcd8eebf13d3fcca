use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_container_is_suspended_then_removed() {
    let mut world = world(512);
    let hello = key("guest", "hello");
    let id = world.warm_up(&hello);
    assert_eq!(world.pool.next_deadline(), Some(world.now + 10 * SECOND));
    world.pass(10 * SECOND);
    assert_eq!(world.suspended, [id]);
    assert!(world.pool.may_suspend(id));
    world.pass(589 * SECOND);
    assert!(world.removing.is_empty());
    world.pass(SECOND);
    assert_eq!(world.removing, [id]);
    world.check();
}

#[test]
fn use_puts_the_deadline_off() {
    let mut world = world(512);
    let hello = key("guest", "hello");
    let id = world.warm_up(&hello);
    world.pass(9 * SECOND);
    world.warm_up(&hello);
    world.pass(9 * SECOND);
    assert!(world.suspended.is_empty());
    world.pass(SECOND);
    assert_eq!(world.suspended, [id]);
    assert_eq!(world.pool.timers.len(), 1, "one entry a container");
    world.pass(590 * SECOND);
    assert_eq!(world.removing, [id]);
    world.check();
}

#[test]
fn a_suspended_container_is_said_to_be_so_until_it_is_given_back() {
    let mut world = world(512);
    let shared = key("guest", "shared:256:2");
    let id = world.warm_up(&shared);
    world.pass(10 * SECOND);
    let (first, second) = (world.arrive(&shared), world.arrive(&shared));
    assert!(world.leases[&first].suspended && world.leases[&second].suspended);
    assert!(!world.pool.may_suspend(id), "a suspension that comes late does nothing");
    world.run(first);
    world.run(second);
    let third = world.arrive(&shared);
    assert!(!world.leases[&third].suspended);
    world.run(third);
    world.pass(10 * SECOND);
    assert_eq!(world.suspended, [id, id]);
    world.check();
}

#[test]
fn a_busy_container_does_not_expire() {
    let mut world = world(512);
    let hello = key("guest", "hello");
    world.warm_up(&hello);
    let busy = world.arrive(&hello);
    world.pass(1000 * SECOND);
    assert!(world.suspended.is_empty() && world.removing.is_empty());
    world.run(busy);
    world.pass(10 * SECOND);
    assert_eq!(world.suspended.len(), 1);
    world.check();
}

#[test]
fn nobody_waits_longer_than_the_limit() {
    let mut world = world(256);
    let hello = key("guest", "hello");
    let running = world.arrive(&hello);
    world.create();
    let waiting = world.arrive(&key("guest", "other"));
    world.pass(59 * SECOND);
    assert!(world.refused.is_empty());
    assert_eq!(world.pool.next_deadline(), Some(world.now + SECOND));
    world.pass(SECOND);
    assert_eq!(world.refused, [(waiting, Refusal::WaitOver { limit: 60 * SECOND })]);
    world.run(running);
    world.check();
}

#[test]
fn greedy_dual_suspends_and_keeps() {
    let mut world = greedy_dual(512);
    let id = world.warm_up(&key("guest", "hello"));
    world.pass(10 * SECOND);
    world.pass(100_000 * SECOND);
    assert_eq!((world.suspended.as_slice(), world.removing.len()), ([id].as_slice(), 0));
    assert_eq!(world.pool.next_deadline(), None);
    world.check();
}
