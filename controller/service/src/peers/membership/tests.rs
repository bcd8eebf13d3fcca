use super::*;

const SILENCE: Duration = Duration::from_secs(10);

fn peer(name: &str, incarnation: u64) -> PeerIdentity {
    PeerIdentity {
        name: name.to_owned(),
        incarnation: Incarnation(incarnation),
        address: format!("{name}:1"),
    }
}

fn view(peers: &[(&str, u64)]) -> Effect {
    let all = peers.iter().chain([&("me", 1)]);
    Effect::Members(View::new(all.map(|(name, incarnation)| peer(name, *incarnation).member())))
}

struct Rig {
    membership: Membership,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        Self { membership: Membership::new(peer("me", 1), SILENCE), start: Instant::now() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn beat(&mut self, peer: PeerIdentity, seconds: u64) -> Vec<Effect> {
        let now = self.at(seconds);
        self.membership.heartbeat(peer, false, now)
    }

    fn meet(&mut self, peer: PeerIdentity, seconds: u64) -> Vec<Effect> {
        let now = self.at(seconds);
        self.membership.met(peer, now)
    }

    /// Joins with a conversation.
    fn join(&mut self, peer: &PeerIdentity, session: u64) {
        self.meet(peer.clone(), 0);
        let now = self.start;
        self.membership.linked(peer.incarnation, SessionId(session), now);
        assert!(self.membership.is_settled());
    }

    fn cut(&mut self, peer: &PeerIdentity, session: u64, seconds: u64) -> Vec<Effect> {
        let now = self.at(seconds);
        self.membership.unlinked(peer.incarnation, SessionId(session), now, now)
    }

    fn refuse(&mut self, peer: &PeerIdentity, seconds: u64) -> Vec<Effect> {
        let now = self.at(seconds);
        self.membership.refused(peer.incarnation, now)
    }

    fn is_present(&self, peer: &PeerIdentity) -> bool {
        self.membership.known.contains_key(&peer.incarnation)
    }

    fn tick(&mut self, seconds: u64) -> Vec<Effect> {
        let now = self.at(seconds);
        self.membership.tick(now)
    }

    fn deadline(&self, seconds: u64) -> Option<Duration> {
        self.membership.next_deadline(self.at(seconds)).map(|deadline| deadline - self.start)
    }
}

#[test]
fn a_heartbeat_is_a_rumour_until_its_process_was_met() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    assert_eq!(rig.beat(b.clone(), 0), [Effect::Approach(b.clone())]);
    assert_eq!(rig.beat(b.clone(), 1), []);
    assert!(rig.is_present(&b) && !rig.membership.is_settled());
    assert_eq!(rig.meet(b.clone(), 1), [Effect::Joined(b.clone()), view(&[("b", 2)])]);
    assert!(!rig.membership.is_settled(), "there is no conversation yet");
    assert_eq!(rig.membership.linked(b.incarnation, SessionId(1), rig.start), []);
    assert!(rig.membership.is_settled());
}

#[test]
fn rumours_that_lead_nowhere_are_dropped_without_a_word() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.beat(b.clone(), 0);
    assert_eq!(rig.refuse(&b, 1), [Effect::Abandon(b.clone())]);
    rig.beat(b.clone(), 2);
    assert_eq!(rig.deadline(2), Some(Duration::from_secs(12)));
    assert_eq!(rig.tick(11), []);
    assert_eq!(rig.tick(12), [Effect::Abandon(b.clone())]);
    assert!(!rig.is_present(&b));
    // Of their own name controllers know better.
    assert_eq!(rig.beat(peer("me", 9), 13), []);
    assert_eq!(rig.meet(peer("me", 9), 13), []);
}

#[test]
fn forged_heartbeats_end_nobody_and_hide_nobody() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.join(&b, 1);
    let forged = peer("b", 666);
    assert_eq!(rig.beat(forged.clone(), 1), [Effect::Approach(forged.clone())]);
    assert_eq!(rig.membership.heartbeat(b.clone(), true, rig.start), [], "it does not leave: it talks");
    assert_eq!(rig.refuse(&forged, 1), [Effect::Abandon(forged)]);
    assert!(rig.is_present(&b));
    // An address that is not its own is tried until the next heartbeat, and met it tells its own.
    let (c, elsewhere) = (peer("c", 3), PeerIdentity { address: "x:1".to_owned(), ..peer("c", 3) });
    rig.beat(elsewhere.clone(), 2);
    assert_eq!(rig.beat(c.clone(), 2), [Effect::Abandon(elsewhere.clone()), Effect::Approach(c.clone())]);
    rig.beat(elsewhere.clone(), 2);
    let met = rig.meet(c.clone(), 2);
    let joined = view(&[("b", 2), ("c", 3)]);
    assert_eq!(met, [Effect::Abandon(elsewhere), Effect::Approach(c.clone()), Effect::Joined(c), joined]);
}

#[test]
fn rumours_are_bounded() {
    let mut rig = Rig::new();
    let begun = (0..1000).filter(|n| !rig.beat(peer("b", 100 + n), 0).is_empty()).count();
    assert_eq!(begun, MAX_RUMOURS);
    assert!(!rig.meet(peer("c", 3), 0).is_empty(), "nobody real is kept out by them");
}

#[test]
fn whose_address_refuses_is_gone_at_once_and_late_heartbeats_do_not_bring_it_back() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.join(&b, 1);
    assert_eq!(rig.refuse(&b, 1), [], "it talks, so that is an old answer");
    assert_eq!(rig.cut(&b, 1, 2), []);
    let gone = Effect::Gone(b.incarnation, Reason::Refuses);
    assert_eq!(rig.refuse(&b, 2), [Effect::Abandon(b.clone()), gone, view(&[])]);
    assert_eq!(rig.beat(b.clone(), 3), []);
    assert_eq!(rig.beat(b.clone(), 12), [Effect::Approach(b.clone())], "unless they go on");
    assert_eq!(rig.meet(b.clone(), 13)[0], Effect::Joined(b));
}

#[test]
fn another_life_of_a_controller_ends_the_one_before() {
    let (mut rig, old, new) = (Rig::new(), peer("b", 2), peer("b", 3));
    rig.join(&old, 1);
    assert_eq!(rig.beat(new.clone(), 1), [Effect::Approach(new.clone())]);
    let gone = Effect::Gone(old.incarnation, Reason::Replaced);
    let expected = [Effect::Abandon(old), gone, Effect::Joined(new.clone()), view(&[("b", 3)])];
    assert_eq!(rig.meet(new, 1), expected);
}

#[test]
fn one_that_leaves_is_gone() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.join(&b, 1);
    let gone = [Effect::Abandon(b.clone()), Effect::Gone(b.incarnation, Reason::Left), view(&[])];
    assert_eq!(rig.membership.left(b.incarnation, rig.start), gone);
    rig.join(&b, 2);
    rig.cut(&b, 2, 1);
    assert_eq!(
        rig.membership.heartbeat(b.clone(), true, rig.start),
        gone,
        "without a conversation it is believed"
    );
    assert_eq!(rig.membership.heartbeat(peer("c", 3), true, rig.start), []);
}

#[test]
fn a_conversation_that_is_down_takes_it_out_of_the_view_and_silence_ends_it() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.join(&b, 1);
    assert_eq!((rig.deadline(5), rig.tick(1_000)), (None, vec![]), "one who talks needs no heartbeats");
    assert_eq!(rig.cut(&b, 1, 1_000), []);
    rig.beat(b.clone(), 1_005);
    assert_eq!(rig.deadline(1_005), Some(Duration::from_secs(1_010)));
    assert_eq!(rig.tick(1_010), [view(&[])]);
    assert_eq!(rig.deadline(1_010), Some(Duration::from_secs(1_015)));
    assert!(rig.is_present(&b), "its heartbeats came");
    let gone = [Effect::Abandon(b.clone()), Effect::Gone(b.incarnation, Reason::Silent)];
    assert_eq!(rig.tick(1_015), gone);
    assert_eq!(rig.beat(b.clone(), 1_016), [Effect::Approach(b)], "it may come back");
}

#[test]
fn a_conversation_that_was_replaced_does_not_end_the_later_one() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.join(&b, 1);
    let (incarnation, start) = (b.incarnation, rig.start);
    rig.membership.linked(incarnation, SessionId(2), start);
    assert_eq!(rig.cut(&b, 1, 1), []);
    assert_eq!(rig.membership.linked(incarnation, SessionId(1), start), [], "told late");
    assert!(rig.membership.is_settled());
    rig.cut(&b, 2, 1);
    assert!(!rig.membership.is_settled());
}

#[test]
fn one_that_was_last_heard_long_ago_is_gone_as_soon_as_its_conversation_ends() {
    let (mut rig, b) = (Rig::new(), peer("b", 2));
    rig.join(&b, 1);
    let (heard, now) = (rig.at(5), rig.at(15));
    rig.membership.unlinked(b.incarnation, SessionId(1), heard, now);
    assert_eq!(rig.tick(15)[1], Effect::Gone(b.incarnation, Reason::Silent));
}
