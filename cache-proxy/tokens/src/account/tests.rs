use super::*;

const LOCAL: CacheTier = CacheTier::Local;

#[test]
fn a_second_holds_so_many_commands_at_whatever_pace_they_come() {
    let now = Instant::now();
    let budget = Budget { operations_per_second: 10, ..Budget::default() };
    let account = Account::new("u", budget, now);
    let at = |milliseconds| now + Duration::from_millis(milliseconds);
    assert_eq!(account.admit(11, &budget, now), Err(OverQuota::Operations(10)));
    for _ in 0..10 {
        account.admit(1, &budget, now).unwrap();
    }
    assert!(account.admit(1, &budget, now).is_err());
    assert!(account.admit(1, &budget, at(99)).is_err());
    account.admit(1, &budget, at(100)).unwrap();
    assert!(account.admit(2, &budget, at(200)).is_err());
    account.admit(10, &budget, at(5000)).unwrap();
    assert!(account.admit(1, &budget, at(5000)).is_err());
    let none = Budget { operations_per_second: 0, ..budget };
    assert!(account.admit(1, &none, at(60_000)).is_err());
    account.admit(1 << 40, &Budget::default(), at(60_000)).unwrap();
}

#[test]
fn connections_are_counted_while_they_last() {
    let now = Instant::now();
    let mut accounts = Accounts::default();
    let account = accounts.account("u", Budget { connections: 1, ..Budget::default() }, now);
    let one = account.connect().unwrap();
    assert_eq!(account.connect().unwrap_err(), OverQuota::Connections(1));
    drop(one);
    let again = account.connect().unwrap();
    assert_eq!(account.connections(), 1);
    // A newer token allows more.
    accounts.account("u", Budget { connections: 2, ..Budget::default() }, now);
    assert!(account.connect().is_ok());
    drop(again);
    assert_eq!(account.connections(), 0);
}

#[test]
fn what_is_over_is_told() {
    let budget = Budget { bytes: 100, keys: 2, ..Budget::default() };
    let account = Account::new("u", budget, Instant::now());
    account.counted(LOCAL, Usage { bytes: 90, keys: 2 });
    assert_eq!(account.is_over(LOCAL), None);
    account.writes(LOCAL, 11);
    assert_eq!(account.is_over(LOCAL), Some(OverQuota::Bytes(100)));
    assert_eq!(account.is_over(CacheTier::Global), None);
    account.counted(LOCAL, Usage { bytes: 50, keys: 3 });
    assert_eq!(account.is_over(LOCAL), Some(OverQuota::Keys(2)));
}

#[test]
fn what_is_written_while_somebody_counts_is_kept() {
    let budget = Budget { bytes: 100, keys: 3, ..Budget::default() };
    let account = Account::new("u", budget, Instant::now());
    account.writes(LOCAL, 50);
    let before = account.written(LOCAL);
    account.writes(LOCAL, 7);
    account.counted_after(LOCAL, Usage { bytes: 60, keys: 1 }, before);
    assert_eq!(account.usage(LOCAL), Usage { bytes: 67, keys: 1 });
    assert_eq!(account.written(LOCAL), Written { bytes: 7, commands: 1 });
    assert!(!account.may_be_over(LOCAL, &budget));
    account.writes(LOCAL, 1);
    account.writes(LOCAL, 1);
    assert!(account.may_be_over(LOCAL, &budget) && account.is_over(LOCAL).is_none(), "each may be a key");
    account.counted(LOCAL, Usage { bytes: 60, keys: 1 });
    assert_eq!(account.written(LOCAL), Written::default());
}

#[test]
fn a_namespace_chooses_what_it_loses() {
    let ask = |own| Budget { refuse_when_full: true, ..Budget::default() }.with(&own).refuse_when_full;
    assert!(ask(CacheBudget::default()));
    assert!(!ask(CacheBudget { refuse_when_full: Some(false), ..CacheBudget::default() }));
}

#[test]
fn accounts_of_those_who_have_something_are_kept() {
    let (mut accounts, now) = (Accounts::default(), Instant::now());
    let idle = Duration::from_secs(1);
    let held = accounts.account("held", Budget::default(), now);
    accounts.account("has keys", Budget::default(), now).counted(LOCAL, Usage { bytes: 1, keys: 1 });
    accounts.account("left", Budget::default(), now);
    accounts.sweep(now + idle, idle);
    let mut left: Vec<_> = accounts.all().map(|account| account.namespace_uuid().to_string()).collect();
    left.sort();
    assert_eq!(left, ["has keys", "held"]);
    drop(held);
}
