//! A registry with one small image, which it calls whatever it is asked for. The daemon takes it for what it is because
//! it trusts registries on loopback.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::images;

/// What it serves and what it was asked.
pub(crate) struct Registry {
    port: u16,
    state: Arc<State>,
}

struct State {
    manifest: String,
    /// By digest.
    blobs: Vec<(String, Vec<u8>)>,
    /// The value of `Authorization` without which nothing is given.
    password: Option<String>,
    /// Manifests that were asked for by name, as `NAME:TAG`.
    fetched: Mutex<Vec<String>>,
    delay: Duration,
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

impl Registry {
    /// `password` is what follows `Authorization: `; each manifest takes `delay`.
    pub(crate) async fn start(password: Option<&str>, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Of its own contents, or the daemon would not have to fetch anything.
        let (manifest, blobs) = image(port);
        let state = Arc::new(State {
            manifest,
            blobs,
            password: password.map(str::to_owned),
            fetched: Mutex::default(),
            delay,
        });
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How often an image was asked for. (A daemon asks twice for each fetch: by HEAD, then by GET.)
    pub(crate) fn fetches(&self, image: &str) -> usize {
        self.state.fetched.lock().unwrap().iter().filter(|fetched| *fetched == image).count()
    }
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn image(seed: u16) -> (String, Vec<(String, Vec<u8>)>) {
    let tree = images::small_tree();
    let mut layer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    layer.write_all(&tree).unwrap();
    let layer = layer.finish().unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(&tree)]},
        "config": {"Entrypoint": ["/bin/sleep", "1000"], "Labels": {"seed": seed.to_string()}},
    })
    .to_string()
    .into_bytes();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(&config)},
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.len(), "digest": digest(&layer),
        }],
    })
    .to_string();
    (manifest, vec![(digest(&config), config), (digest(&layer), layer)])
}

/// One request a connection.
async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            // A daemon tries TLS first, and would wait ten seconds for an answer.
            Ok(byte) if request.is_empty() && !byte.is_ascii_alphabetic() => return,
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let (status, headers, body) = answer(&request, &state).await;
    let body_length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nDocker-Distribution-API-Version: registry/2.0\r\nConnection: close\r\n\
         Content-Length: {body_length}\r\n{headers}\r\n"
    );
    let mut response = head.into_bytes();
    if !request.starts_with("HEAD") {
        response.extend(body);
    }
    // A daemon that hangs up has no use for it.
    let _ = stream.write_all(&response).await;
}

async fn answer(request: &str, state: &State) -> (&'static str, String, Vec<u8>) {
    let mut lines = request.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let authorization = lines.find_map(|line| line.strip_prefix("Authorization: "));
    if state.password.is_some() && authorization != state.password.as_deref() {
        return ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"test\"\r\n".to_owned(), Vec::new());
    }
    if let Some((name, reference)) = path.trim_start_matches("/v2/").split_once("/manifests/") {
        if !reference.starts_with("sha256:") {
            state.fetched.lock().unwrap().push(format!("{name}:{reference}"));
            tokio::time::sleep(state.delay).await;
        }
        if name.ends_with("absent") {
            return ("404 Not Found", String::new(), Vec::new());
        }
        let digest = digest(state.manifest.as_bytes());
        let headers = format!("Content-Type: {MANIFEST}\r\nDocker-Content-Digest: {digest}\r\n");
        return ("200 OK", headers, state.manifest.clone().into_bytes());
    }
    if let Some((_, wanted)) = path.split_once("/blobs/") {
        let blob = state.blobs.iter().find(|(digest, _)| digest == wanted);
        return blob.map_or(("404 Not Found", String::new(), Vec::new()), |(_, bytes)| {
            ("200 OK", "Content-Type: application/octet-stream\r\n".to_owned(), bytes.clone())
        });
    }
    ("200 OK", String::new(), Vec::new())
}
