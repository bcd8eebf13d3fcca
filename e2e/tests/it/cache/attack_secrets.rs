//! Attacks by code that runs as root in its container: it searches all that it can read for secrets of the cache.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use oxwhisk_e2e::cluster::Cluster;
use oxwhisk_e2e::{Server, action, report, shared};
use serde_json::{Value, json};

use super::{python, run, tenant, with_cache};

const SEARCH_PY: &str = include_str!("actions/search.py");
const SEARCH_JS: &str = include_str!("actions/search.js");

/// The `redis-server` that a standalone server has for itself.
#[track_caller]
pub(super) fn redis_of(server: &Server) -> Pid {
    let parents = server.process_ids();
    let found = std::fs::read_dir("/proc").expect("readable").find_map(|entry| {
        let id: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let is_child = value("PPid:")?.parse().is_ok_and(|parent| parents.contains(&parent));
        (is_child && value("Name:") == Some("redis-server")).then_some(Pid::from_raw(id))
    });
    found.expect("the server has a redis-server")
}

/// A `redis-server` as its owner sees it, by its socket, with its password.
pub(super) struct Redis {
    directory: PathBuf,
    pub(super) password: String,
    stream: BufReader<UnixStream>,
}

impl Redis {
    /// The password is in no file, so it is read out of the process: what it has that looks like one is tried.
    #[track_caller]
    pub(super) fn of(server: &Server) -> Self {
        let process = redis_of(server);
        let directory = std::fs::read_link(format!("/proc/{process}/cwd")).expect("it runs");
        let mut tried = Vec::new();
        for password in hexadecimal(process) {
            if tried.contains(&password) {
                continue;
            }
            let stream = UnixStream::connect(directory.join("redis.sock")).expect("it listens");
            let mut redis = Self {
                directory: directory.clone(),
                password: password.clone(),
                stream: BufReader::new(stream),
            };
            if redis.line(&[b"AUTH", password.as_bytes()]) == "+OK" {
                return redis;
            }
            tried.push(password);
        }
        panic!("none of {} texts in the memory of redis-server is its password", tried.len());
    }

    /// Where its socket is.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    fn line(&mut self, words: &[&[u8]]) -> String {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("it listens");
        self.read()
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a reply");
        line.trim_end().to_owned()
    }

    /// What follows in a list.
    fn text(&mut self) -> Vec<u8> {
        let length: usize = self.read()[1..].parse().expect("a length");
        let mut text = vec![0; length + 2];
        self.stream.read_exact(&mut text).expect("a reply");
        text.truncate(length);
        text
    }

    /// All keys with their times to live.
    #[track_caller]
    pub(super) fn keys(&mut self) -> BTreeMap<Vec<u8>, i64> {
        let count: usize = self.line(&[b"KEYS", b"*"])[1..].parse().expect("a list");
        let keys: Vec<Vec<u8>> = (0..count).map(|_| self.text()).collect();
        let left = |key: &Vec<u8>| self.line(&[b"TTL", key])[1..].parse().expect("a number");
        let left: Vec<i64> = keys.iter().map(left).collect();
        keys.into_iter().zip(left).collect()
    }
}

/// Texts of 64 hexadecimal digits in the memory of a process.
fn hexadecimal(process: Pid) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("it may be read");
    let memory = std::fs::File::open(format!("/proc/{process}/mem")).expect("it may be read");
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let ends = line.split([' ', '-']).take(2).map(|end| u64::from_str_radix(end, 16));
        let [Ok(start), Ok(end)] = ends.collect::<Vec<_>>()[..] else { continue };
        let mut bytes = vec![0; usize::try_from(end - start).expect("a size")];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        let runs =
            bytes.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')).filter(|run| run.len() == 64);
        found.extend(runs.map(|run| String::from_utf8_lossy(run).into_owned()));
    }
    found
}

/// What must not be found, and since when it can be anywhere.
struct Secrets {
    texts: BTreeMap<String, Vec<u8>>,
    since: i64,
}

impl Secrets {
    /// `None`, and a line that says so, where they are not known.
    fn known(test: &str) -> Option<Self> {
        if let Some(server) = shared::server() {
            let redis = Redis::of(server);
            let since = created(&redis.directory);
            let texts = BTreeMap::from([("password".to_owned(), redis.password.into_bytes())]);
            return Some(Self { texts, since });
        }
        let cluster = Cluster::to_watch(test)?;
        let folder = cluster.dir().join("keys");
        let mut texts = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).expect("the cluster has keys") {
            let path = entry.expect("readable").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("readable");
            let lines = text.lines().map(|line| line.split(':').next_back().unwrap_or(line).trim());
            for (number, line) in lines.filter(|line| line.len() > 16).enumerate() {
                texts.insert(format!("{name} {number}"), line.as_bytes().to_vec());
            }
        }
        assert!(texts.len() > 2, "the cluster has keys");
        Some(Self { texts, since: created(&folder) })
    }

    /// Each byte one more than it is.
    fn disguised(&self) -> Value {
        let hex = |text: &Vec<u8>| {
            text.iter().map(|byte| format!("{:02x}", byte.wrapping_add(1))).collect::<String>()
        };
        self.texts
            .iter()
            .map(|(name, text)| (name.clone(), json!(hex(text))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

fn created(path: &Path) -> i64 {
    std::fs::metadata(path).expect("it is there").mtime() - 1
}

#[test]
fn no_secret_is_where_an_action_can_read() {
    let test = "no_secret_is_where_an_action_can_read";
    let Some(tenant) = tenant(test) else { return };
    if !nix::unistd::Uid::effective().is_root() {
        return report::skipped(test, "only root can find the secret that is looked for");
    }
    let Some(secrets) = Secrets::known(test) else { return };
    let nodejs = with_cache(action::nodejs(SEARCH_JS), json!(true));
    for (name, body) in [("nodejs", nodejs), ("python", python(SEARCH_PY, json!(true)))] {
        tenant.create(name, &action::with(body, "limits", json!({"memory": 512, "timeout": 300_000})));
        let payload = json!({"needles": secrets.disguised(), "since": secrets.since});
        // The second time it has served one before.
        for _ in 0..2 {
            let result = run(&tenant, name, &payload);
            for secret in secrets.texts.keys() {
                assert_eq!(result["found"][secret], json!([]), "{name}: {secret}");
            }
            // The same search finds what there is.
            let own = result["found"]["token"].to_string();
            for place in ["environment ", "memory /proc/", "file /tmp/own"] {
                assert!(own.contains(place), "{name} finds its own token in its {place}: {result}");
            }
        }
    }
}
