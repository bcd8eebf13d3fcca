//! Images that the tests run, made once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::sync::OnceCell;

use crate::rig::Daemon;

/// Evaluates what it is sent, in a thread of its own, and answers with the value of `result`, or with the error.
const PROBE: &str = r#"
import os, socket, threading
def serve(connection):
    code = b''
    while True:
        part = connection.recv(65536)
        if not part: break
        code += part
    names = {'result': None}
    try:
        exec(code.decode(), names)
        answer = repr(names['result'])
    except BaseException as error:
        answer = 'ERROR ' + repr(error)
    try:
        connection.sendall(answer.encode())
    except OSError:
        pass
    connection.close()
server = socket.socket()
server.bind(('0.0.0.0', 8080))
server.listen(16)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"#;

/// Each stage is an image of that name.
const STAGES: &str = r#"
ARG BASE
FROM ${BASE} AS probe
COPY probe.py /probe.py
ENTRYPOINT ["python3", "-u", "/probe.py"]
FROM ${BASE} AS dies
ENTRYPOINT ["/bin/sh", "-c", "echo last words; exit 3"]
FROM ${BASE} AS silent
ENTRYPOINT ["sleep", "infinity"]
FROM ${BASE} AS nowhere
ENTRYPOINT ["/nope"]
FROM ${BASE} AS script
ENTRYPOINT ["/bin/sh", "-c", "eval \"$SCRIPT\""]
"#;
const NAMES: [&str; 5] = ["probe", "dies", "silent", "nowhere", "script"];

/// The repository of all these images.
pub(crate) const REPOSITORY: &str = "oxwhisk-test";

/// The full name of one of them.
pub(crate) fn name(image: &str) -> String {
    format!("{REPOSITORY}/{image}:latest")
}

/// Runs a program to its end; its output goes to the test's only if it fails.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// The small images above.
pub(crate) async fn ensure_small(daemon: &Daemon) {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let make = async {
        let (host, base) = (daemon.host.clone(), daemon.base.clone());
        tokio::task::spawn_blocking(move || make_small(&host, &base)).await.unwrap();
    };
    MADE.get_or_init(|| make).await;
}

fn make_small(host: &str, base: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("probe.py"), PROBE).unwrap();
    std::fs::write(folder.path().join("Dockerfile"), STAGES).unwrap();
    for image in NAMES {
        let mut build = Command::new("docker");
        build.args(["--host", host, "build", "--quiet", "--build-arg", &format!("BASE={base}")]);
        build.args(["--target", image, "--tag", &name(image)]).arg(folder.path());
        run(&mut build);
    }
}

/// Our own runtimes, as `make images` builds them; the reason if the native one is not built.
pub(crate) async fn ensure_runtimes(daemon: &Daemon) -> Result<(), String> {
    static MADE: OnceCell<()> = OnceCell::const_new();
    // Cargo puts programs one folder above the tests.
    let binaries = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    if !binaries.join("oxwhisk-runtime-native").is_file() {
        return Err("oxwhisk-runtime-native is not built: cargo build -p oxwhisk-runtime-native".to_owned());
    }
    let make = async {
        let (host, base) = (daemon.host.clone(), daemon.base.clone());
        tokio::task::spawn_blocking(move || make_runtimes(&host, &base, &binaries)).await.unwrap();
    };
    MADE.get_or_init(|| make).await;
    Ok(())
}

fn make_runtimes(host: &str, base: &str, binaries: &Path) {
    let mut build = Command::new(root().join("scripts/images.sh"));
    build.args(["nodejs", "python", "native"]).env("ENGINE_ARGS", format!("--host {host}"));
    build.env("BASE", base).env("REPOSITORY", REPOSITORY).env("TAG", "latest").env("BINARIES", binaries);
    let built = run(&mut build);
    assert!(!built.contains("left out"), "{built}");
}

/// The project's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A tar of a few programs of this machine with the libraries they need: the smallest image that does something.
pub(crate) fn small_tree() -> Vec<u8> {
    let mut files = vec!["/bin/sh".to_owned(), "/bin/sleep".to_owned()];
    for program in ["/bin/sh", "/bin/sleep"] {
        let libraries = run(Command::new("ldd").arg(program));
        files.extend(libraries.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    files.sort_unstable();
    files.dedup();
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        // As files: a link's target would be missing.
        let contents = std::fs::read(&file).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, file.trim_start_matches('/'), &contents[..]).unwrap();
    }
    tar.into_inner().unwrap()
}
