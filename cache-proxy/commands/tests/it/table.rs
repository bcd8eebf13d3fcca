//! The table against what a server says of its commands.

use oxwhisk_cache_commands::{Access, Bounds, Command, Handling, Keys, Plan, Request, Session, plan, table};

use oxwhisk_redis_server::{Connection, RedisServer, Reply, encoded};

/// What a server says of one command.
struct Told {
    /// With its container's, in upper case.
    name: Vec<String>,
    arity: i64,
    is_write: bool,
    may_wait: bool,
    has_keys: bool,
    /// Also if it is full.
    is_done_always: bool,
}

fn told(entry: Reply, container: &[String], all: &mut Vec<Told>) {
    let entry = entry.list();
    let flags: Vec<String> = entry[2].clone().list().iter().map(Reply::text).collect();
    let own = entry[0].text().to_ascii_uppercase();
    let own = own.rsplit('|').next().unwrap_or_default().to_owned();
    let name: Vec<String> = container.iter().cloned().chain([own]).collect();
    // Channels of sharded publishing are told as keys, too.
    let has_keys = !entry[8].clone().list().is_empty();
    let subs = entry[9].clone().list();
    for sub in subs.clone() {
        told(sub, &name, all);
    }
    if subs.is_empty() {
        let has = |flag: &str| flags.iter().any(|one| one == flag);
        let (is_write, may_wait) = (has("write"), has("blocking"));
        let is_done_always = !has("denyoom");
        all.push(Told { name, arity: entry[1].number(), is_write, may_wait, has_keys, is_done_always });
    }
}

fn all_told(connection: &mut Connection) -> Vec<Told> {
    let mut all = Vec::new();
    for entry in connection.call(&["COMMAND"]).list() {
        told(entry, &[], &mut all);
    }
    assert!(all.len() > 300, "{}", all.len());
    all
}

/// The command in the table, or the container that is refused or emulated as a whole.
fn known(name: &[String]) -> Option<&'static Command> {
    let command = table::all().iter().find(|command| command.name == name[0])?;
    match (command.handling, name.get(1)) {
        (Handling::Container(subs), Some(sub)) => subs.iter().find(|known| known.name == sub),
        _ => Some(command),
    }
}

#[test]
fn every_command_of_the_server_is_in_the_table_as_the_server_has_it() {
    let Some(server) = RedisServer::start("every_command_of_the_server_is_in_the_table") else { return };
    for told in all_told(&mut server.connect()) {
        let name = told.name.join(" ");
        let Some(command) = known(&told.name) else { panic!("{name} is not in the table") };
        if let Handling::Forward(forward) = command.handling {
            assert_eq!(i64::from(command.arity), told.arity, "{name}");
            let writes = forward.access == Access::Write;
            // Publishing changes something for others, if not data.
            assert!(writes == told.is_write || name.ends_with("PUBLISH"), "{name}");
            let waits = forward.session == Session::Blocking;
            assert!(waits == told.may_wait, "{name}");
            assert!(!writes || command.takes_room() != told.is_done_always, "{name} takes room or not");
            assert!(!told.has_keys || forward.keys != Keys::None, "{name} has keys");
        }
    }
}

/// Arguments behind the name, for commands whose keys are not simply the first arguments. `k1`, `k2`... are keys.
const EXAMPLES: &[&str] = &[
    "BITOP AND k1 k2 k3",
    "BLMOVE k1 k2 LEFT RIGHT 0",
    "BLMPOP 0 2 k1 k2 LEFT COUNT 2",
    "BLPOP k1 k2 0",
    "BRPOP k1 k2 0",
    "BRPOPLPUSH k1 k2 0",
    "BZMPOP 0 2 k1 k2 MIN",
    "BZPOPMAX k1 k2 0",
    "BZPOPMIN k1 0",
    "COPY k1 k2 REPLACE",
    "GEORADIUS k1 0 0 1 km WITHDIST COUNT 3 ANY STORE k2",
    "GEORADIUS k1 0 0 1 km STORE k2",
    "GEORADIUS k1 0 0 1 km STOREDIST k2",
    "GEORADIUSBYMEMBER k1 m 1 km STORE k2",
    "GEORADIUSBYMEMBER k1 m 1 km ASC",
    "GEOSEARCHSTORE k1 k2 FROMMEMBER m BYRADIUS 1 km",
    "LCS k1 k2 LEN",
    "LMOVE k1 k2 LEFT RIGHT",
    "LMPOP 2 k1 k2 LEFT",
    "MSET k1 v k2 v",
    "MSETNX k1 v k2 v",
    "OBJECT ENCODING k1",
    "OBJECT FREQ k1",
    "OBJECT IDLETIME k1",
    "OBJECT REFCOUNT k1",
    "MEMORY USAGE k1 SAMPLES 5",
    "PFMERGE k1 k2 k3",
    "RENAME k1 k2",
    "RENAMENX k1 k2",
    "RPOPLPUSH k1 k2",
    "SDIFFSTORE k1 k2 k3",
    "SINTERCARD 2 k1 k2 LIMIT 1",
    "SINTERSTORE k1 k2 k3",
    "SMOVE k1 k2 m",
    "SORT k1 LIMIT 0 1 STORE k2",
    "SORT k1 DESC ALPHA",
    "SORT_RO k1 DESC",
    "SUNIONSTORE k1 k2 k3",
    "XGROUP CREATE k1 g $ MKSTREAM",
    "XGROUP CREATECONSUMER k1 g c",
    "XGROUP DELCONSUMER k1 g c",
    "XGROUP DESTROY k1 g",
    "XGROUP SETID k1 g $",
    "XINFO CONSUMERS k1 g",
    "XINFO GROUPS k1",
    "XINFO STREAM k1 FULL",
    "XREAD COUNT 2 BLOCK 1 STREAMS k1 k2 0 0",
    "XREADGROUP GROUP STREAMS c COUNT 1 NOACK STREAMS k1 k2 > >",
    "ZDIFF 2 k1 k2 WITHSCORES",
    "ZDIFFSTORE k1 2 k2 k3",
    "ZINTER 2 k1 k2 WEIGHTS 1 2",
    "ZINTERCARD 2 k1 k2",
    "ZINTERSTORE k1 2 k2 k3 AGGREGATE MAX",
    "ZMPOP 2 k1 k2 MIN",
    "ZRANGESTORE k1 k2 0 1",
    "ZUNION 2 k1 k2",
    "ZUNIONSTORE k1 2 k2 k3",
];

/// Which of these arguments we take for keys.
fn ours(arguments: &[String]) -> Vec<String> {
    let buffer = encoded(arguments);
    let (mut request, mut planned) = (Request::default(), Plan::default());
    request.read(&buffer, &Bounds::default()).unwrap();
    plan(&request, &buffer, &mut planned).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    planned.keys().iter().map(|key| arguments[*key].clone()).collect()
}

#[test]
fn keys_are_where_the_server_says_they_are() {
    let Some(server) = RedisServer::start("keys_are_where_the_server_says_they_are") else { return };
    let mut connection = server.connect();
    let mut compared = 0;
    let mut compare = |arguments: &[String]| {
        let asked: Vec<String> = ["COMMAND".to_owned(), "GETKEYS".to_owned()]
            .into_iter()
            .chain(arguments.iter().cloned())
            .collect();
        let Reply::List(theirs) = connection.call(&asked) else { panic!("{arguments:?}: no keys") };
        let mut theirs: Vec<String> = theirs.iter().map(Reply::text).collect();
        let mut own = ours(arguments);
        theirs.sort();
        own.sort();
        assert_eq!(own, theirs, "{arguments:?}");
        compared += 1;
    };
    for example in EXAMPLES {
        compare(&example.split(' ').map(str::to_owned).collect::<Vec<_>>());
    }
    let told = all_told(&mut server.connect());
    for told in told.iter().filter(|told| told.has_keys) {
        let Some(Command { handling: Handling::Forward(forward), arity, .. }) = known(&told.name) else {
            continue;
        };
        let has_example = EXAMPLES.iter().any(|example| example.starts_with(&told.name.join(" ")));
        let simple = matches!(forward.keys, Keys::One(1) | Keys::From(1));
        assert!(simple || has_example, "{}: give an example", told.name.join(" "));
        // Sharded channels are not keys, though they are told with them.
        if simple
            && !has_example
            && !told.name[0].ends_with("SUBSCRIBE")
            && told.name[0] != "SPUBLISH"
            && !options_matter(&told.name[0])
        {
            let count = usize::from(arity.unsigned_abs());
            let arguments: Vec<String> =
                (0..count).map(|n| if n == 0 { told.name[0].clone() } else { format!("k{n}") }).collect();
            compare(&arguments);
        }
    }
    assert!(compared > 150, "{compared}");
}

/// With any words as arguments they would be refused.
fn options_matter(name: &str) -> bool {
    ["SET", "SORT"].contains(&name)
}
