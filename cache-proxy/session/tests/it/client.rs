use bytes::BytesMut;
use oxwhisk_cache_commands::{Asked, Bounds, Plan, Request, plan};
use oxwhisk_cache_session::{Client, Protocol, Step};
use oxwhisk_redis_server::{Connection, RedisServer, encoded};

fn client() -> Client {
    Client::new(7, "10.0.0.1:5000".to_owned())
}

fn logged_in() -> Client {
    let mut client = client();
    assert_eq!(said(&mut client, "AUTH token").0, "+OK|");
    client
}

/// What it is told, with `|` for the end of a line, and what is to be done. A token is worth something if it is `token`, and there
/// are two databases.
fn said(client: &mut Client, line: &str) -> (String, Step) {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let buffer = encoded(&words);
    let (mut request, mut planned, mut out) = (Request::default(), Plan::default(), BytesMut::new());
    request.read(&buffer, &Bounds::default()).unwrap();
    let asked = plan(&request, &buffer, &mut planned);
    let Ok(Asked::Emulate(emulation)) = asked else { panic!("{line}: {asked:?}") };
    let names = usize::from(!planned.command().name.eq_ignore_ascii_case(words[0])) + 1;
    let arguments: Vec<&[u8]> = request.arguments(&buffer).skip(names).collect();
    let step = client.emulate(emulation, planned.command(), &arguments, &mut out);
    match &step {
        Step::LogIn { token, by_default_user } => {
            client.logged_in(*by_default_user && token == b"token", &mut out);
        }
        Step::Select(database) => client.selected(*database < 2, &mut out),
        _ => {}
    }
    (String::from_utf8_lossy(&out).replace("\r\n", "|"), step)
}

fn told(client: &mut Client, line: &str) -> String {
    said(client, line).0
}

#[test]
fn without_a_login_nothing_is_told() {
    for line in [
        "PING",
        "ECHO x",
        "SELECT 0",
        "CLIENT ID",
        "CLIENT LIST",
        "DBSIZE",
        "FLUSHDB",
        "INFO",
        "CONFIG GET *",
        "CLUSTER INFO",
    ] {
        let (answer, step) = said(&mut client(), line);
        assert_eq!((answer.as_str(), step), ("-NOAUTH Authentication required.|", Step::Answered), "{line}");
    }
    assert!(told(&mut client(), "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert_eq!(said(&mut client(), "QUIT"), ("+OK|".to_owned(), Step::Close));
}

#[test]
fn only_a_token_that_is_worth_something_logs_in() {
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.|";
    for line in [
        "AUTH wrong",
        "AUTH default wrong",
        "AUTH other token",
        "HELLO 3 AUTH default wrong",
        "HELLO 2 AUTH other token",
    ] {
        let mut client = client();
        assert_eq!(told(&mut client, line), wrong, "{line}");
        assert!(!client.is_logged_in());
        assert_eq!(client.protocol(), Protocol::Resp2, "nothing else of it was done either");
    }
    assert_eq!(told(&mut client(), "AUTH default token"), "+OK|");
    let mut client = client();
    assert!(told(&mut client, "HELLO 3 AUTH default token SETNAME me").starts_with("%7|$6|server|$5|redis|"));
    assert_eq!(
        (client.protocol(), told(&mut client, "CLIENT GETNAME")),
        (Protocol::Resp3, "$2|me|".to_owned())
    );
    assert_eq!(told(&mut client, "RESET"), "+RESET|");
    assert_eq!((client.protocol(), client.is_logged_in()), (Protocol::Resp2, false));
    assert_eq!(told(&mut client, "CLIENT ID"), "-NOAUTH Authentication required.|");
}

#[test]
fn databases_are_tiers() {
    let mut client = logged_in();
    assert_eq!((told(&mut client, "SELECT 1"), client.database()), ("+OK|".to_owned(), 1));
    for bad in ["2", "-1", "99999999999"] {
        assert_eq!(told(&mut client, &format!("SELECT {bad}")), "-ERR DB index is out of range|", "{bad}");
    }
    assert_eq!(told(&mut client, "SELECT x"), "-ERR value is not an integer or out of range|");
    assert_eq!(client.database(), 1);
}

#[test]
fn what_takes_more_than_the_connection_is_left_to_others() {
    let mut client = logged_in();
    for (line, expected) in [
        ("DBSIZE", Step::Count),
        ("FLUSHDB", Step::Flush),
        ("FLUSHALL async", Step::Flush),
        ("INFO memory stats", Step::Info(vec![b"memory".to_vec(), b"stats".to_vec()])),
    ] {
        assert_eq!(said(&mut client, line), (String::new(), expected), "{line}");
    }
    assert_eq!(told(&mut client, "FLUSHDB NOW"), "-ERR syntax error|");
}

#[test]
fn a_client_sees_itself_and_nobody_else() {
    let mut client = logged_in();
    assert_eq!(told(&mut client, "CLIENT SETINFO lib-name redis-py"), "+OK|");
    let list = told(&mut client, "CLIENT LIST");
    assert!(list.contains("id=7 addr=10.0.0.1:5000 name= db=0 user=default lib-name=redis-py"), "{list}");
    assert_eq!(list.matches("id=").count(), 1);
    assert_eq!(told(&mut client, "CONFIG GET *"), "*0|");
}

/// As the server tells it, byte for byte.
#[test]
fn it_is_told_what_a_server_would_tell() {
    let Some(server) = RedisServer::start_with("it_is_told_what_a_server_would_tell", Some("token")) else {
        return;
    };
    let mut theirs: Connection = server.connect();
    let mut ours = logged_in();
    for line in [
        "PING",
        "PING x",
        "PING x y",
        "ECHO hello",
        "SELECT 0",
        "SELECT x",
        "SELECT -1",
        "SELECT 99",
        "CLIENT GETNAME",
        "CLIENT SETNAME me",
        "CLIENT GETNAME",
        "CLIENT SETNAME m\ne",
        "CLIENT GETREDIR",
        "CLIENT TRACKINGINFO",
        "AUTH wrong",
        "AUTH default token",
        "AUTH other token",
        "HELLO 4",
        "HELLO x",
        "HELLO 2 SETNAME",
        "HELLO 2 WHAT",
        "CLUSTER INFO",
        "CONFIG GET no-such-thing",
        "FLUSHDB NOW",
        "READONLY",
        "CLIENT REPLY ON",
        "RESET",
        "PING",
        "HELLO 3",
        "AUTH token",
        "QUIT",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        theirs.send(&encoded(&words));
        let expected = String::from_utf8_lossy(&theirs.raw()).replace("\r\n", "|");
        assert_eq!(told(&mut ours, line), expected, "{line:?}");
    }
}
