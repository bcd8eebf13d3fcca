use super::*;

const ID: InvokerId = InvokerId(0);

struct World {
    fleet: Fleet,
    now: Instant,
}

fn report(enabled: bool) -> Report {
    Report { enabled, kinds: Kinds::All, memory: 1024, free: 512 }
}

fn heartbeat(id: u32, enabled: bool) -> Heartbeat {
    let (address, version) = (format!("10.0.0.{id}:8085").into(), "1.0.0".into());
    Heartbeat { id: InvokerId(id), name: "".into(), address, version, report: report(enabled) }
}

impl World {
    fn new() -> Self {
        Self { fleet: Fleet::new(FleetConfig::default()), now: Instant::now() }
    }

    /// With one invoker that is connected and has passed its test.
    fn healthy() -> Self {
        let mut world = Self::new();
        world.open(1);
        world.result(Outcome::Success, Source::TestAction);
        assert_eq!(world.state(), State::Healthy);
        world
    }

    fn open(&mut self, incarnation: u64) -> Vec<FleetEffect> {
        self.fleet.stream_opened(ID, incarnation, report(true), self.now).unwrap()
    }

    fn beat(&mut self, enabled: bool) -> Vec<FleetEffect> {
        self.fleet.heartbeat(heartbeat(0, enabled), self.now).unwrap()
    }

    fn result(&mut self, outcome: Outcome, source: Source) -> Vec<FleetEffect> {
        self.fleet.result(ID, outcome, source, self.now)
    }

    fn user(&mut self, outcomes: &[Outcome]) {
        outcomes.iter().for_each(|outcome| drop(self.result(*outcome, Source::Activation)));
    }

    fn pass(&mut self, seconds: u64) -> Vec<FleetEffect> {
        self.now += Duration::from_secs(seconds);
        self.fleet.tick(self.now)
    }

    fn state(&self) -> State {
        self.fleet.list().next().unwrap().state
    }

    fn usable(&self) -> bool {
        self.fleet.view(ID).unwrap().usable
    }
}

fn tests(effects: &[FleetEffect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, FleetEffect::SendTestAction { .. })).count()
}

fn lost(effects: &[FleetEffect]) -> Option<Loss> {
    effects.iter().find_map(|effect| match effect {
        FleetEffect::Lost { how, .. } => Some(*how),
        _ => None,
    })
}

use Outcome::{Success, SystemError, Timeout};

#[test]
fn a_new_invoker_is_connected_tested_and_then_used() {
    let mut world = World::new();
    let effects = world.beat(true);
    assert_eq!(world.state(), State::Unhealthy);
    assert!(matches!(&effects[..], [FleetEffect::Changed { .. }, FleetEffect::Connect { address, .. }]
        if &**address == "10.0.0.0:8085"));
    let effects = world.open(1);
    assert_eq!(tests(&effects), 1, "the test waits for the stream");
    assert!(!world.usable());
    let effects = world.result(Success, Source::TestAction);
    assert_eq!((world.state(), tests(&effects)), (State::Healthy, 0));
    assert!(world.usable());
    assert_eq!(world.fleet.view(ID).unwrap().free_memory, 512);
}

#[test]
fn four_bad_results_of_ten_are_too_many() {
    for (bad, state) in [(SystemError, State::Unhealthy), (Timeout, State::Unresponsive)] {
        let mut world = World::healthy();
        world.user(&[Success, Success, Success, bad, bad, bad]);
        assert_eq!(world.state(), State::Healthy);
        let effects = world.result(bad, Source::Activation);
        assert_eq!((world.state(), tests(&effects)), (state, 1));
        assert!(!world.usable());
    }
}

#[test]
fn system_errors_weigh_more_than_timeouts() {
    let mut world = World::healthy();
    world.user(&[Timeout, Timeout, Timeout, SystemError, SystemError, SystemError]);
    // Primed by one success and two timeouts, the first timeout was enough already.
    assert_eq!(world.state(), State::Unresponsive);
    world.user(&[Timeout]);
    assert_eq!(world.state(), State::Unresponsive);
    world.user(&[SystemError]);
    assert_eq!(world.state(), State::Unhealthy);
}

#[test]
fn with_three_results_or_fewer_one_bad_one_is_enough() {
    for (bad, state) in [(SystemError, State::Unhealthy), (Timeout, State::Unresponsive)] {
        for before in 0..4 {
            let mut world = World::healthy();
            world.user(&vec![Success; before]);
            world.user(&[bad]);
            // The test's success is one of the results.
            let expected = if before + 2 <= TOLERATED { state } else { State::Healthy };
            assert_eq!(world.state(), expected, "after {before} successes");
        }
    }
}

#[test]
fn ten_bad_results_take_seven_good_tests() {
    let mut world = World::healthy();
    world.user(&[SystemError; 10]);
    assert_eq!(world.state(), State::Unhealthy);
    for _ in 0..6 {
        let effects = world.result(Success, Source::TestAction);
        assert_eq!(
            (world.state(), tests(&effects)),
            (State::Unhealthy, 1),
            "each success asks for the next test"
        );
    }
    let effects = world.result(Success, Source::TestAction);
    assert_eq!((world.state(), tests(&effects)), (State::Healthy, 0));
}

#[test]
fn successes_of_users_start_no_second_chain_of_tests() {
    let mut world = World::healthy();
    world.user(&[SystemError; 10]);
    assert_eq!(tests(&world.result(Success, Source::Activation)), 0, "one is on its way");
    assert_eq!(tests(&world.result(SystemError, Source::TestAction)), 0);
    assert_eq!(tests(&world.result(Success, Source::Activation)), 1, "none is on its way");
}

#[test]
fn the_test_is_repeated_each_minute() {
    let mut world = World::healthy();
    world.user(&[Timeout; 5]);
    assert_eq!(world.fleet.next_deadline(), Some(world.now + Duration::from_secs(60)));
    assert_eq!(tests(&world.pass(59)), 0);
    assert_eq!(tests(&world.pass(1)), 1);
    // Unresponsive, a success asks for none: only the minute does.
    assert_eq!(tests(&world.result(Success, Source::TestAction)), 0);
    assert_eq!(tests(&world.pass(60)), 1);
}

#[test]
fn silence_is_a_loss_after_ten_seconds_unless_the_stream_lives() {
    let mut world = World::healthy();
    assert!(world.pass(3600).is_empty(), "the stream is a sign of life");
    assert!(lost(&world.fleet.stream_closed(ID, false, world.now)).is_none());
    assert!(!world.usable(), "nothing can be sent there");
    assert_eq!(world.state(), State::Healthy);
    world.pass(9);
    world.beat(true);
    world.pass(9);
    assert_eq!(world.state(), State::Healthy);
    assert_eq!(lost(&world.pass(1)), Some(Loss::Silent));
    assert_eq!(world.state(), State::Offline);
    world.user(&[Success; 3]);
    assert_eq!(world.state(), State::Offline, "results change nothing there");
    world.beat(true);
    assert_eq!(world.state(), State::Unhealthy);
}

#[test]
fn a_refused_connection_is_a_death() {
    let mut world = World::healthy();
    assert_eq!(lost(&world.fleet.stream_closed(ID, true, world.now)), Some(Loss::Dead));
    assert_eq!(world.state(), State::Offline);
    assert!(world.pass(3600).is_empty(), "lost once");
}

#[test]
fn a_new_process_under_the_same_id_means_the_old_one_is_dead() {
    let mut world = World::healthy();
    world.user(&[SystemError; 3]);
    world.fleet.stream_closed(ID, false, world.now);
    let effects = world.open(2);
    assert_eq!((lost(&effects), tests(&effects)), (Some(Loss::Dead), 1));
    assert_eq!(world.state(), State::Unhealthy);
    world.result(Success, Source::TestAction);
    assert_eq!(world.state(), State::Healthy, "its predecessor's errors do not count");
    assert!(lost(&world.open(2)).is_none(), "the same process");
}

#[test]
fn a_heartbeat_cannot_contradict_a_stream() {
    let mut world = World::healthy();
    let mut forged = heartbeat(0, false);
    forged.report.free = 0;
    world.fleet.heartbeat(forged, world.now).unwrap();
    assert!(world.usable() && world.fleet.view(ID).unwrap().free_memory == 512);
    world.fleet.report(ID, report(false), world.now);
    assert_eq!(world.state(), State::Offline, "it says itself that it takes no work");
    assert!(lost(&world.pass(3600)).is_none(), "and runs what it has");
    world.beat(true);
    assert_eq!(world.state(), State::Offline);
    world.fleet.report(ID, report(true), world.now);
    assert_eq!(world.state(), State::Unhealthy);
}

#[test]
fn one_that_took_itself_out_can_still_be_lost() {
    let mut world = World::healthy();
    world.fleet.report(ID, report(false), world.now);
    assert_eq!(lost(&world.fleet.stream_closed(ID, true, world.now)), Some(Loss::Dead));
}

#[test]
fn what_an_administrator_says_survives_restarts() {
    for service in [Service::Draining, Service::Disabled] {
        let mut world = World::healthy();
        world.fleet.set_service(ID, service, world.now).unwrap();
        assert!(!world.usable());
        assert_eq!(world.fleet.list().next().unwrap().listed_state(), "down");
        world.fleet.stream_closed(ID, true, world.now);
        world.beat(true);
        let effects = world.open(2);
        assert_eq!(tests(&effects), usize::from(service == Service::Draining));
        world.result(Success, Source::TestAction);
        assert!(!world.usable());
        world.fleet.set_service(ID, Service::Enabled, world.now).unwrap();
        assert!(world.usable());
    }
}

#[test]
fn a_disabled_invoker_is_tested_when_it_is_enabled() {
    let mut world = World::new();
    world.fleet.set_service(ID, Service::Disabled, world.now).unwrap();
    assert_eq!(tests(&world.open(1)), 0);
    assert_eq!(world.fleet.next_deadline(), None);
    let effects = world.fleet.set_service(ID, Service::Enabled, world.now).unwrap();
    assert_eq!(tests(&effects), 1);
}

#[test]
fn the_list_has_names_and_leaves_holes_out() {
    let mut world = World::new();
    world.fleet.heartbeat(heartbeat(2, true), world.now).unwrap();
    let mut named = heartbeat(0, false);
    named.name = "node-a".into();
    world.fleet.heartbeat(named, world.now).unwrap();
    let list: Vec<_> = world.fleet.list().map(|info| (info.to_string(), info.listed_state())).collect();
    assert_eq!(list, [("invoker0/node-a".to_owned(), "down"), ("invoker2/2".to_owned(), "unhealthy")]);
    assert_eq!(world.fleet.pool(false).invokers.len(), 3);
    let refused = world.fleet.heartbeat(heartbeat(10_000, true), world.now).unwrap_err();
    assert_eq!(refused.to_string(), "invoker10000 is refused: ids go to 9999");
}

#[test]
fn a_moved_invoker_is_connected_again() {
    let mut world = World::healthy();
    assert_eq!(world.beat(true).len(), 1, "the address is new");
    assert!(world.beat(true).is_empty());
    let mut moved = heartbeat(0, true);
    moved.address = "10.0.0.9:8085".into();
    let effects = world.fleet.heartbeat(moved, world.now).unwrap();
    assert_eq!(effects, [FleetEffect::Connect { invoker: ID, address: "10.0.0.9:8085".into() }]);
}

#[test]
fn the_test_action_is_named_after_its_controller() {
    assert_eq!(test_action::name("0").unwrap().to_string(), "whisk.system/invokerHealthTestAction0");
    assert!(test_action::name("a/b/c").is_err());
}
