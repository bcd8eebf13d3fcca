use super::*;

const LIMITS: Limits = Limits { per_minute: 4000, concurrent: Some(4000) };

fn waiter(number: u32, now: Instant) -> Waiter<u32> {
    Waiter { payload: number, deadline: now + Duration::from_secs(1) }
}

fn decision(requests: u64, slots: u64) -> Decision {
    let valid_for = Duration::from_millis(100);
    Decision::Decided { minute: 7, valid_for, requests, request_count: 4000, slots, slot_count: 4000 }
}

fn admitted(served: &[Served<u32>]) -> Vec<u32> {
    let payload = |one: &Served<u32>| match one {
        Served::Admitted { payload, .. } => Some(*payload),
        Served::Refused { .. } => None,
    };
    served.iter().filter_map(payload).collect()
}

#[test]
fn a_budget_ends_with_the_owners_minute_however_long_its_answer_took() {
    let start = Instant::now();
    let mut budget = Budget::new(LIMITS, start);
    assert!(budget.admit(LIMITS, waiter(1, start), start).is_none());
    let need = budget.ask(1, 1, start).unwrap();
    assert_eq!((need.requests, need.extra_requests, need.slots, need.extra_slots), (1, 100, 1, 50));
    let later = start + Duration::from_millis(90);
    assert_eq!(admitted(&budget.decided(1, decision(101, 51), Duration::ZERO, later)), [1]);
    assert!(budget.admit(LIMITS, waiter(2, later), later).is_some());
    let over = start + Duration::from_millis(100);
    assert!(budget.admit(LIMITS, waiter(3, over), over).is_none());
}

#[test]
fn only_what_the_owner_does_not_have_is_refused() {
    let now = Instant::now();
    let mut budget = Budget::new(LIMITS, now);
    assert!((1..=3).all(|number| budget.admit(LIMITS, waiter(number, now), now).is_none()));
    budget.ask(1, 1, now).unwrap();
    budget.admit(LIMITS, waiter(4, now), now);
    let served = budget.decided(1, decision(2, 1), Duration::ZERO, now);
    assert_eq!(admitted(&served), [1]);
    let texts: Vec<String> = served
        .iter()
        .filter_map(|one| match one {
            Served::Refused { violation, .. } => Some(violation.to_string()),
            Served::Admitted { .. } => None,
        })
        .collect();
    assert_eq!(
        texts,
        [
            "Too many concurrent requests in flight (count: 4000, allowed: 4000).",
            "Too many requests in the last minute (count: 4000, allowed: 4000).",
        ]
    );
    assert_eq!(budget.waiting(), 1, "the fourth came after the ask");
    assert!(budget.ask(2, 1, now).is_some());
    assert!(budget.decided(1, decision(9, 9), Duration::ZERO, now).is_empty(), "an answer counts once");
}

#[test]
fn spare_slots_are_kept_for_a_while_and_then_returned() {
    let now = Instant::now();
    let mut budget = Budget::new(LIMITS, now);
    budget.admit(LIMITS, waiter(1, now), now);
    budget.ask(1, 1, now).unwrap();
    budget.decided(1, decision(200, 151), Duration::ZERO, now);
    let idle = Duration::from_secs(5);
    assert_eq!(budget.surplus(1, idle, now), 50, "a hundred may be kept");
    budget.release(now);
    assert_eq!(budget.surplus(1, idle, now + idle), 101);
    assert!(budget.take() == 1 && budget.used() == 1, "a blocked caller goes on whatever is there");
}

#[test]
fn asks_for_slots_alone_do_not_heap_budgets_up() {
    let now = Instant::now();
    let mut budget = Budget::new(LIMITS, now);
    let mut got = 0;
    for request in 0..100 {
        budget.admit(LIMITS, waiter(1, now), now);
        let need = budget.ask(request, 1, now).unwrap();
        got += need.requests + need.extra_requests;
        // One slot at a time: each request has to ask for the next.
        let decision = decision(need.requests + need.extra_requests, 1);
        assert_eq!(admitted(&budget.decided(request, decision, Duration::ZERO, now)), [1]);
    }
    assert!(got <= 100 + 100, "{got} for a hundred requests, where a hundred may be spare");
}
