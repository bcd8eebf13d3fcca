//! Measures the proxy alone: cold start, and warm `/run` calls on one keep-alive unix-socket connection to the
//! `actionloop-echo` action. `cargo run --release -p oxwhisk-runtime-native --example warm-latency [CALLS]`
#![expect(clippy::print_stdout, reason = "a command-line tool that prints its figures")]

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

const STARTS: usize = 50;

/// The binaries that cargo built beside this example.
fn binary(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).ok_or("no target folder")?;
    let path = folder.join(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is not built", path.display()).into()) }
}

struct Proxy {
    child: Child,
    stream: UnixStream,
    from_exec_to_listening: Duration,
}

impl Proxy {
    fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let socket = folder.join("proxy.sock");
        let (program, began) = (binary("oxwhisk-runtime-native")?, Instant::now());
        let child = Command::new(program)
            .env("OW_LISTEN", format!("unix:{}", socket.display()))
            .env("TMPDIR", folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        loop {
            if let Ok(stream) = UnixStream::connect(&socket) {
                return Ok(Self { child, stream, from_exec_to_listening: began.elapsed() });
            }
            if began.elapsed() > Duration::from_secs(10) {
                return Err("the proxy does not listen".into());
            }
            std::thread::yield_now();
        }
    }

    fn call(&mut self, request: &[u8], answer: &mut [u8]) -> Result<usize, Box<dyn Error>> {
        self.stream.write_all(request)?;
        Ok(self.stream.read(answer)?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: action\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn main() -> Result<(), Box<dyn Error>> {
    let calls: u32 = std::env::args().nth(1).map_or(Ok(50_000), |calls| calls.parse())?;
    let folder = std::env::temp_dir().join(format!("warm-latency-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let code = STANDARD.encode(fs::read(binary("actionloop-echo")?)?);
    let init = post("/init", &format!(r#"{{"value":{{"code":"{code}","binary":true}}}}"#));
    let run = post("/run", r#"{"value":{"ok":true},"namespace":"guest","activation_id":"0","deadline":"0"}"#);
    let (mut starts, mut inits, mut first_runs, mut warm) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut answer = vec![0; 4096];
    for start in 0..STARTS {
        let mut proxy = Proxy::start(&folder)?;
        starts.push(proxy.from_exec_to_listening);
        let began = Instant::now();
        proxy.call(&init, &mut answer)?;
        inits.push(began.elapsed());
        let began = Instant::now();
        proxy.call(&run, &mut answer)?;
        first_runs.push(began.elapsed());
        for _ in 0..if start + 1 == STARTS { calls } else { 0 } {
            let began = Instant::now();
            let length = proxy.call(&run, &mut answer)?;
            warm.push(began.elapsed());
            if !answer[..length].ends_with(b"{\"ok\":true}") {
                return Err(String::from_utf8_lossy(&answer[..length]).into_owned().into());
            }
        }
    }
    fs::remove_dir_all(&folder)?;
    println!("{:>22}  {:>10} {:>10}", "", "p50", "p99");
    for (name, times) in [
        ("exec to listening", &mut starts),
        ("/init", &mut inits),
        ("first /run", &mut first_runs),
        ("warm /run", &mut warm),
    ] {
        times.sort_unstable();
        println!("{name:>22}  {:>10.1?} {:>10.1?}", percentile(times, 50), percentile(times, 99));
    }
    let total: Duration = warm.iter().sum();
    println!("{:>22}  {:.0}", "warm calls/s", f64::from(calls) / total.as_secs_f64());
    Ok(())
}
