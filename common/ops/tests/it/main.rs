//! The pages over real connections.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oxwhisk_metrics::{Counter, Metrics, Page, Source};
use oxwhisk_ops::{Operated, OpsOptions, OpsServer};
use oxwhisk_service::telemetry::FilterHandle;
use oxwhisk_service::{LogConfig, Readiness, Telemetry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(30);

/// A process logs once.
fn log() -> FilterHandle {
    static LOG: OnceLock<Telemetry> = OnceLock::new();
    LOG.get_or_init(|| Telemetry::start(&LogConfig::default()).expect("nobody else logs")).filter()
}

struct Served {
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

async fn serve(options: OpsOptions) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (readiness, metrics, stop) = (Readiness::new(), Metrics::new(), CancellationToken::new());
    let operated = Operated {
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        log: log(),
        log_admins: Vec::new(),
    };
    let server = OpsServer::new(operated, options);
    let serving = tokio::spawn(server.serve(listener, stop.clone()));
    Served { address, readiness, metrics, stop, serving }
}

impl Served {
    /// Status, head and body of an answer.
    async fn ask(&self, request: &str, body: &str) -> (u16, String, String) {
        let text = format!(
            "{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.expect("it listens");
            stream.write_all(text.as_bytes()).await.expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("it answers");
            answer
        };
        let answer = tokio::time::timeout(LIMIT, exchange).await.expect("in time");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask(&format!("GET {path}"), "").await;
        (status, body)
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.serving).await.expect("it stops").expect("without a panic");
    }
}

#[tokio::test]
async fn readiness_is_told_with_its_reasons() {
    let served = serve(OpsOptions::default()).await;
    assert_eq!(served.get("/live").await, (200, "live\n".to_owned()));
    assert_eq!(served.get("/ping").await, (200, "pong\n".to_owned()));
    assert_eq!(served.get("/ready").await, (200, r#"{"ready":true}"#.to_owned()));
    let kafka = served.readiness.await_part("kafka");
    let (status, body) = served.get("/ready").await;
    assert_eq!(status, 503);
    let expected = r#"{"ready":false,"reasons":[{"part":"kafka","reason":"has not started yet"}]}"#;
    assert_eq!(body, expected);
    kafka.ready();
    assert_eq!(served.get("/ready").await.0, 200);
    kafka.unready("no broker answers");
    assert!(served.get("/ready").await.1.contains("no broker answers"));
    assert_eq!(served.get("/live").await.0, 200);
    served.readiness.drain();
    let (status, body) = served.get("/ready").await;
    assert_eq!((status, body.contains("is draining")), (503, true));
    served.stop().await;
}

#[derive(Debug, Default)]
struct Part(Counter);

impl Source for Part {
    fn write(&self, page: &mut Page<'_>) -> std::fmt::Result {
        page.counter("oxwhisk_test", "Tests.", self.0.get())
    }
}

#[tokio::test]
async fn metrics_are_those_of_the_moment() {
    let served = serve(OpsOptions::default()).await;
    let part = Arc::new(Part::default());
    served.metrics.add(Arc::clone(&part) as Arc<dyn Source>);
    let (status, head, body) = served.ask("GET /metrics", "").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(body.contains("\noxwhisk_test_total 0\n") && body.ends_with("# EOF\n"), "{body}");
    part.0.add(2);
    assert!(served.get("/metrics").await.1.contains("\noxwhisk_test_total 2\n"));
    served.stop().await;
}

#[tokio::test]
async fn the_log_filter_is_read_and_set() {
    let served = serve(OpsOptions::default()).await;
    let (status, _, body) = served.ask("PUT /loglevel", "warn,oxwhisk_ops=debug\n").await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = served.get("/loglevel").await;
    assert_eq!(status, 200);
    assert!(body.contains("oxwhisk_ops=debug") && body.contains("warn"), "{body}");
    assert_eq!(log().get().map(|filter| filter + "\n"), Some(body.clone()));
    for wrong in ["loud=very", "", &"x".repeat(5000)] {
        assert_eq!(served.ask("PUT /loglevel", wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(served.get("/loglevel").await.1, body);
    assert_eq!(served.ask("PUT /loglevel", "info").await.0, 200);
    served.stop().await;
}

#[tokio::test]
async fn there_is_nothing_else() {
    let served = serve(OpsOptions::default()).await;
    assert_eq!(served.get("/").await.0, 404);
    assert_eq!(served.get("/loglevel/").await.0, 404);
    let (status, head, _) = served.ask("DELETE /loglevel", "").await;
    assert_eq!((status, head.contains("allow: get, head, put")), (405, true), "{head}");
    assert_eq!(served.ask("PUT /ready", "x").await.0, 405);
    let (status, _, body) = served.ask("HEAD /live", "").await;
    assert_eq!((status, body.as_str()), (200, ""));
    served.stop().await;
}

#[tokio::test]
async fn one_who_says_nothing_does_not_hold_up_the_end() {
    let options = OpsOptions { grace: Duration::from_millis(10), ..OpsOptions::default() };
    let served = serve(options).await;
    let mut silent = TcpStream::connect(served.address).await.expect("it listens");
    silent.write_all(b"GET /li").await.expect("it reads");
    // Served behind the silent one, so that one was accepted.
    assert_eq!(served.get("/live").await.0, 200);
    let (address, readiness) = (served.address, served.readiness.clone());
    readiness.drain();
    served.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}
