use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oxwhisk_cache_upstream::{Address, Login, Protocol, Replies, Shared, UpstreamConfig, UpstreamError};
use oxwhisk_redis_server::{RedisServer, encoded};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(60);
const SECRET: &str = "pa55-of-the-server";

/// A connection, and what ends it.
struct Running {
    shared: Shared,
    tasks: TaskTracker,
    stop: CancellationToken,
}

fn run(address: Address, password: Option<&str>, change: impl FnOnce(&mut UpstreamConfig)) -> Running {
    let login = Login { user: None, password: password.map(Into::into) };
    let mut config = UpstreamConfig::new(address, login, Protocol::Resp2);
    (config.reply_timeout, config.connect_timeout) = (DEADLINE, DEADLINE);
    change(&mut config);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let shared = Shared::start(Arc::new(config), &tasks, stop.clone());
    Running { shared, tasks, stop }
}

impl Running {
    async fn ask(&self, words: &[&str]) -> Result<String, UpstreamError> {
        let Replies { bytes, ends } = self.shared.exchange(encoded(words).into(), one()).await?;
        assert_eq!(ends, [bytes.len()]);
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// Until it is as wanted.
    async fn becomes(&self, there: bool) {
        let mut watch = self.shared.watch();
        tokio::time::timeout(DEADLINE, watch.wait_for(|is| *is == there)).await.expect("in time").unwrap();
    }
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn socket(server: &RedisServer) -> Address {
    Address::Unix(server.socket())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_their_own_replies() {
    let Some(server) = RedisServer::start_with("everybody_gets_their_own_replies", Some(SECRET)) else {
        return;
    };
    let running = run(socket(&server), Some(SECRET), |_| {});
    let mut users = Vec::new();
    for user in 0..50 {
        let shared = running.shared.clone();
        users.push(tokio::spawn(async move {
            for round in 0..100usize {
                let words: Vec<String> =
                    (0..=round % 7).map(|n| format!("{user}-{round}-{n}\r\n+OK")).collect();
                let batch: Vec<u8> = words.iter().flat_map(|word| encoded(&["ECHO", word])).collect();
                let count = NonZeroUsize::new(words.len()).unwrap();
                let Replies { bytes, ends } = shared.exchange(batch.into(), count).await.unwrap();
                let mut start = 0;
                for (word, end) in words.iter().zip(ends) {
                    let expected = format!("${}\r\n{word}\r\n", word.len());
                    assert_eq!(&bytes[start..end], expected.as_bytes());
                    start = end;
                }
                assert_eq!(start, bytes.len());
            }
        }));
    }
    for user in users {
        user.await.unwrap();
    }
}

#[tokio::test]
async fn it_comes_back_with_the_server_and_says_what_failed() {
    let Some(mut server) = RedisServer::start("it_comes_back_with_the_server") else { return };
    let running = run(socket(&server), None, |config| config.retry_longest = Duration::from_millis(50));
    assert_eq!(running.ask(&["SET", "k", "v"]).await.unwrap(), "+OK");
    // On its way when the server dies: whether it was done is not known.
    let shared = running.shared.clone();
    let on_its_way =
        tokio::spawn(async move { shared.exchange(encoded(&["BLPOP", "none", "0"]).into(), one()).await });
    let mut others = server.connect();
    loop {
        let clients = others.call(&["CLIENT", "LIST"]).text();
        if clients.contains("cmd=blpop") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.kill();
    assert_eq!(on_its_way.await.unwrap(), Err(UpstreamError::Broken));
    running.becomes(false).await;
    assert_eq!(running.ask(&["GET", "k"]).await, Err(UpstreamError::Away));
    server.start_again();
    running.becomes(true).await;
    assert_eq!(running.ask(&["GET", "k"]).await.unwrap(), "$-1");
}

#[tokio::test]
async fn who_waited_too_long_leaves_the_others_replies_alone() {
    let Some(server) = RedisServer::start("who_waited_too_long") else { return };
    let running = run(socket(&server), None, |config| config.reply_timeout = Duration::from_millis(300));
    running.becomes(true).await;
    let late = running.ask(&["BLPOP", "none", "1"]).await;
    assert_eq!(late, Err(UpstreamError::TimedOut));
    // Behind it on the same connection.
    loop {
        match running.ask(&["ECHO", "mine"]).await {
            Ok(reply) => break assert_eq!(reply, "$4\r\nmine"),
            Err(error) => assert_eq!(error, UpstreamError::TimedOut),
        }
    }
}

#[tokio::test]
async fn without_the_right_secret_there_is_no_connection_and_nobody_is_shown_it() {
    let Some(server) = RedisServer::start_with("without_the_right_secret", Some(SECRET)) else { return };
    for wrong in [None, Some("wr0ng")] {
        let running = run(socket(&server), wrong, |_| {});
        assert_eq!(running.ask(&["PING"]).await, Err(UpstreamError::Away));
        assert!(!*running.shared.watch().borrow());
        assert!(!format!("{:?}", running.shared).contains("wr0ng"));
        running.stop.cancel();
    }
}

#[tokio::test]
async fn what_is_no_server_breaks_and_cannot_answer_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let running = run(Address::Unix(path), None, |config| {
        (config.max_replies, config.retry_longest) = (1 << 16, Duration::from_millis(20));
    });
    let endless = format!("${}\r\n{}", 1 << 20, "x".repeat(1 << 17));
    for (answer, expected) in [
        ("+OK\r\n", Ok("+OK")),
        ("hello\r\n", Err(UpstreamError::Broken)),
        // One that nobody has asked for.
        ("+OK\r\n+OK\r\n", Ok("+OK")),
        (endless.as_str(), Err(UpstreamError::TooLarge)),
    ] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 22];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(b"%0\r\n").await.unwrap();
        running.becomes(true).await;
        let replying = async {
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).await.unwrap();
            // It may have given up by then.
            let _ = stream.write_all(answer.as_bytes()).await;
        };
        let (asked, ()) = tokio::join!(running.ask(&["PING"]), replying);
        assert_eq!(asked.as_ref().map(String::as_str), expected.as_ref().map(|text| *text), "{answer:.20}");
        drop(stream);
        running.becomes(false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_too_much_gets_nothing_and_nobody_else_notices() {
    let Some(server) = RedisServer::start("who_asks_for_too_much") else { return };
    let running = run(socket(&server), None, |config| config.max_replies = 1 << 20);
    assert_eq!(running.ask(&["SET", "large", &"x".repeat(3 << 19)]).await.unwrap(), "+OK");
    assert_eq!(running.ask(&["SET", "half", &"x".repeat(3 << 18)]).await.unwrap(), "+OK");
    let greedy = running.shared.clone();
    let greedy = tokio::spawn(async move {
        let large = encoded(&["GET", "large"]);
        let half = encoded(&["GET", "half"]);
        let ping = encoded(&["PING"]);
        for _ in 0..50 {
            for batch in [
                &[&large][..],
                &[&ping, &large, &ping],
                &[&half, &half],
                &[&large, &large, &large],
                &[&half, &ping],
            ] {
                let requests: Vec<u8> = batch.iter().copied().flatten().copied().collect();
                let asked = greedy.exchange(requests.into(), NonZeroUsize::new(batch.len()).unwrap()).await;
                if batch.len() == 2 && batch[1] == &ping {
                    assert_eq!(asked.unwrap().bytes.len(), (3 << 18) + 11 + 7);
                } else {
                    assert_eq!(asked, Err(UpstreamError::TooLarge));
                }
            }
        }
    });
    let mut asked = 0;
    while !greedy.is_finished() || asked < 100 {
        let word = format!("mine-{asked}");
        let reply = running.ask(&["ECHO", &word]).await.unwrap();
        assert_eq!(reply, format!("${}\r\n{word}", word.len()));
        asked += 1;
    }
    greedy.await.unwrap();
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let Some(server) = RedisServer::start("it_ends_when_it_is_told_to") else { return };
    let running = run(socket(&server), None, |_| {});
    running.becomes(true).await;
    running.stop.cancel();
    running.tasks.close();
    tokio::time::timeout(DEADLINE, running.tasks.wait()).await.expect("it ends");
    let after = running.shared.exchange(Bytes::from(encoded(&["PING"])), one()).await;
    assert_eq!(after, Err(UpstreamError::Closed));
}
