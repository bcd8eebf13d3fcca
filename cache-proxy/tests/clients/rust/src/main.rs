//! Two Rust clients, as people use them, against the cache: `redis` and `fred`.

use std::env::var;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// What the test does for the activations of this container: they begin, with a token, and end.
struct Control(BufReader<TcpStream>);

impl Control {
    fn connect() -> Self {
        Self(BufReader::new(TcpStream::connect(var("CACHE_CONTROL").unwrap()).unwrap()))
    }

    fn ask(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

fn url(token: &str, options: &str) -> String {
    format!("redis://:{token}@{}{options}", var("CACHE_ADDRESS").unwrap())
}

mod with_redis {
    use redis::{Client, Commands, ConnectionLike, pipe};

    use super::{Control, url};

    pub fn run(control: &mut Control) {
        for options in ["", "/?protocol=resp3"] {
            features(&url(&control.ask("begin"), options), options.is_empty());
            control.ask("end");
            warm(control, options);
        }
    }

    fn features(url: &str, is_older: bool) {
        let client = Client::open(url).unwrap();
        let mut connection = client.get_connection().unwrap();
        redis::cmd("FLUSHDB").exec(&mut connection).unwrap();
        let _: () = connection.set_ex("key", "value", 60).unwrap();
        assert_eq!(connection.get::<_, Option<String>>("key").unwrap().as_deref(), Some("value"));
        assert_eq!(connection.get::<_, Option<String>>("none").unwrap(), None);
        let mut many = pipe();
        for _ in 0..1000 {
            many.incr("n", 1);
        }
        assert_eq!(many.query::<Vec<i64>>(&mut connection).unwrap()[999], 1000);
        let done: (i64, i64) = pipe().atomic().incr("m", 1).incr("m", 1).query(&mut connection).unwrap();
        assert_eq!(done, (1, 2));
        let mut other = client.get_connection().unwrap();
        let mut tries = 0;
        let counted: (i64,) = redis::transaction(&mut connection, &["m"], |connection, pipe| {
            tries += 1;
            if tries == 1 {
                let _: i64 = other.incr("m", 1).unwrap();
            }
            pipe.incr("m", 1).query(connection)
        })
        .unwrap();
        assert_eq!((counted, tries), ((4,), 2));
        let mut found: Vec<String> = connection.scan().unwrap().map(Result::unwrap).collect();
        found.sort();
        assert_eq!(found, ["key", "m", "n"]);
        assert!(connection.keys::<_, Vec<String>>("*").is_err());
        let waiting = std::thread::spawn(move || other.blpop::<_, (String, String)>("list", 0.0).unwrap());
        let _: i64 = connection.rpush("list", "x").unwrap();
        assert_eq!(waiting.join().unwrap(), ("list".to_owned(), "x".to_owned()));
        // In the newer version this client wants a receiver of its own for what is published.
        if is_older {
            let mut listener = client.get_connection().unwrap();
            let mut listener = listener.as_pubsub();
            listener.subscribe("channel").unwrap();
            assert_eq!(connection.publish::<_, _, i64>("channel", "hello").unwrap(), 1);
            assert_eq!(listener.get_message().unwrap().get_payload::<String>().unwrap(), "hello");
        }
        assert!(connection.is_open());
    }

    fn warm(control: &mut Control, options: &str) {
        let client = Client::open(url(&control.ask("begin"), options)).unwrap();
        let mut connection = client.get_connection().unwrap();
        for round in 1..=300 {
            assert_eq!(connection.incr::<_, _, i64>("rounds", 1).unwrap(), round);
            control.ask("end");
            assert!(connection.get::<_, i64>("rounds").unwrap_err().to_string().contains("NOAUTH"));
            assert!(connection.is_open());
            control.ask("begin");
        }
        let _: i64 = connection.del("rounds").unwrap();
        control.ask("end");
    }
}

mod with_fred {
    use fred::prelude::*;
    use fred::types::RespVersion;

    use super::{Control, url};

    async fn connect(token: &str, version: RespVersion) -> Client {
        let mut config = Config::from_url(&url(token, "")).unwrap();
        config.version = version;
        let client = Builder::from_config(config).build().unwrap();
        client.init().await.unwrap();
        client
    }

    pub async fn run(control: &mut Control) {
        for version in [RespVersion::RESP2, RespVersion::RESP3] {
            features(&control.ask("begin"), version.clone()).await;
            control.ask("end");
            warm(control, version).await;
        }
    }

    async fn features(token: &str, version: RespVersion) {
        let client = connect(token, version.clone()).await;
        client.flushall::<()>(false).await.unwrap();
        client.set::<(), _, _>("key", "value", Some(Expiration::EX(60)), None, false).await.unwrap();
        assert_eq!(client.get::<Option<String>, _>("key").await.unwrap().as_deref(), Some("value"));
        assert_eq!(client.get::<Option<String>, _>("none").await.unwrap(), None);
        let many = client.pipeline();
        for _ in 0..1000 {
            many.incr::<(), _>("n").await.unwrap();
        }
        assert_eq!(many.all::<Vec<i64>>().await.unwrap()[999], 1000);
        let both = client.multi();
        both.incr::<(), _>("m").await.unwrap();
        both.incr::<(), _>("m").await.unwrap();
        assert_eq!(both.exec::<(i64, i64)>(true).await.unwrap(), (1, 2));
        let other = connect(token, version.clone()).await;
        let waiting =
            tokio::spawn(async move { other.blpop::<(String, String), _>("list", 0.0).await.unwrap() });
        client.rpush::<i64, _, _>("list", "x").await.unwrap();
        assert_eq!(waiting.await.unwrap(), ("list".to_owned(), "x".to_owned()));
        // What listened in the other version may be there yet.
        let channel = format!("channel-{version:?}");
        let listener = connect(token, version).await;
        let mut heard = listener.message_rx();
        listener.subscribe(channel.as_str()).await.unwrap();
        // This client does not wait until the server has taken the subscription in.
        while client.publish::<i64, _, _>(channel.as_str(), "hello").await.unwrap() == 0 {}
        assert_eq!(heard.recv().await.unwrap().value.as_string().as_deref(), Some("hello"));
        client.quit().await.unwrap();
    }

    async fn warm(control: &mut Control, version: RespVersion) {
        let client = connect(&control.ask("begin"), version).await;
        let mut reconnects = client.reconnect_rx();
        for round in 1..=300 {
            assert_eq!(client.incr::<i64, _>("rounds").await.unwrap(), round);
            control.ask("end");
            let refused = client.get::<i64, _>("rounds").await.unwrap_err();
            assert!(refused.to_string().contains("NOAUTH"), "{refused}");
            control.ask("begin");
        }
        assert!(reconnects.try_recv().is_err(), "it has connected more than once");
        client.del::<i64, _>("rounds").await.unwrap();
        control.ask("end");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut control = Control::connect();
    match std::env::args().nth(1).as_deref() {
        Some("redis") => with_redis::run(&mut control),
        Some("fred") => with_fred::run(&mut control).await,
        other => panic!("redis or fred, not {other:?}"),
    }
}
