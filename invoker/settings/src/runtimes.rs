//! The runtime servers, as the process sandbox starts them.
//!
//! Scripts are compiled into this binary. The native proxy is a program of its own beside it; where that is missing,
//! this binary takes its place, under the proxy's name.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use oxwhisk_sandbox::{Builtin, Interpreter, RuntimeContents, RuntimeFile, RuntimeSpec};

/// Name under which a binary acts as the native proxy.
const NATIVE_PROXY: &str = "oxwhisk-runtime-native";

const ROOT: &str = "/opt/oxwhisk";

macro_rules! scripts {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../runtimes/", $folder, "/", $name)).as_slice())),+]
    };
}

const NODEJS: &[(&str, &[u8])] = scripts!(
    "nodejs": "server.js", "http.js", "service.js", "surroundings.js", "loader.js", "archive.js", "cache/cache.js",
    "cache/client.js", "cache/connection.js", "cache/errors.js", "cache/flight.js", "cache/resp.js", "cache/session.js",
);

const PYTHON: &[(&str, &[u8])] = scripts!(
    "python": "server.py", "ow_http.py", "ow_action.py", "ow_surroundings.py", "ow_archive.py", "ow_zygote.py",
    "ow_imports.py", "ow_cache.py", "ow_cache_connection.py", "ow_cache_errors.py", "ow_cache_flight.py",
    "ow_cache_pool.py", "ow_cache_resp.py",
);

/// The native proxy is part of this program, so a sandbox need not execute it.
const BUILTINS: &[Builtin] = &[Builtin { name: NATIVE_PROXY, main: oxwhisk_runtime_native::main_from_env }];

/// What this process is if a sandbox started it: a sandbox on its way to be, or the proxy in one. Call it first of all,
/// while there is one thread; with a code, `main` ends.
#[must_use]
pub fn run_if_requested() -> Option<ExitCode> {
    oxwhisk_sandbox::run_if_requested(BUILTINS)
        .or_else(|| is_native_proxy().then(oxwhisk_runtime_native::main_from_env))
}

fn is_native_proxy() -> bool {
    let name = std::env::args_os().next();
    name.is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == NATIVE_PROXY))
}

/// Whether one of `runtimes` runs actions of `kind`.
#[must_use]
pub fn serve(runtimes: &[RuntimeSpec], kind: &str) -> bool {
    let family = kind.split(':').next();
    runtimes.iter().flat_map(|runtime| &runtime.kinds).any(|served| kind == served || family == Some(served))
}

/// The library beside this program by which Python is forked instead of started.
const ZYGOTE_LIBRARY: &str = "liboxwhisk_sandbox_zygote.so";

/// Runtimes that this machine can run, and a line for each that it cannot.
#[derive(Debug)]
pub struct Available {
    pub runtimes: Vec<RuntimeSpec>,
    pub missing: Vec<String>,
}

/// Looks for the interpreters on `PATH`. Without one its kinds are not there, which is said, not hidden.
#[must_use]
pub fn find() -> Available {
    let mut available = Available { runtimes: Vec::new(), missing: Vec::new() };
    match on_path("node") {
        Some(node) => available.runtimes.push(script("nodejs", Interpreter::Node(node), NODEJS, "server.js")),
        None => available
            .missing
            .push("no 'node' on PATH: Node.js actions cannot run (Debian package nodejs)".into()),
    }
    match on_path("python3") {
        Some(python) => available.add_python(python),
        None => available
            .missing
            .push("no 'python3' on PATH: Python actions cannot run (Debian package python3)".into()),
    }
    match native() {
        Ok(native) => available.runtimes.push(native),
        Err(error) => available
            .missing
            .push(format!("cannot read the native proxy: {error}; native actions cannot run")),
    }
    available
}

fn script(
    family: &str,
    interpreter: Interpreter,
    files: &[(&str, &'static [u8])],
    entry: &str,
) -> RuntimeSpec {
    let folder = Path::new(ROOT).join(family);
    let file = |(name, contents): &(&str, &'static [u8])| RuntimeFile {
        path: folder.join(name),
        contents: RuntimeContents::Bytes(contents),
        executable: false,
    };
    RuntimeSpec {
        kinds: vec![family.to_owned()],
        interpreter: Some(interpreter),
        argv: vec![folder.join(entry).display().to_string()],
        files: files.iter().map(file).collect(),
        env: Vec::new(),
        working_dir: PathBuf::from("/tmp"),
        builtin: None,
        zygote: None,
    }
}

impl Available {
    fn add_python(&mut self, python: PathBuf) {
        let mut runtime = script("python", Interpreter::Python(python), PYTHON, "server.py");
        match beside_this_program(ZYGOTE_LIBRARY) {
            Ok(library) => {
                let path = Path::new(ROOT).join("python").join(ZYGOTE_LIBRARY);
                let contents = RuntimeContents::File(library);
                runtime.files.push(RuntimeFile { path: path.clone(), contents, executable: true });
                runtime.zygote = Some(path);
            }
            Err(error) => self.missing.push(format!(
                "cannot read {ZYGOTE_LIBRARY} beside this program: {error}; each cold start of Python boots the interpreter"
            )),
        }
        self.runtimes.push(runtime);
    }
}

fn beside_this_program(name: &str) -> std::io::Result<PathBuf> {
    readable(std::env::current_exe()?.with_file_name(name))
}

fn readable(path: PathBuf) -> std::io::Result<PathBuf> {
    std::fs::File::open(&path).map(|_| path)
}

/// Blackbox actions come here too: those with the skeleton image are executables, which is all the skeleton is.
fn native() -> std::io::Result<RuntimeSpec> {
    let this = std::env::current_exe()?;
    let beside = this.with_file_name(NATIVE_PROXY);
    let program = readable(if beside.is_file() { beside } else { this })?;
    let path = Path::new(ROOT).join("native").join(NATIVE_PROXY);
    Ok(RuntimeSpec {
        kinds: vec!["blackbox".to_owned(), "native".to_owned()],
        interpreter: None,
        argv: vec![path.display().to_string()],
        files: vec![RuntimeFile { path, contents: RuntimeContents::File(program), executable: true }],
        env: Vec::new(),
        working_dir: PathBuf::from("/tmp"),
        builtin: Some(NATIVE_PROXY.to_owned()),
        zygote: None,
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scripts in `folder` and one level below it that run in a sandbox.
    fn scripts_in(folder: &Path, ending: &str) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !name.starts_with("test") && !name.starts_with("__") {
                found.extend(scripts_in(&path, ending).into_iter().map(|below| format!("{name}/{below}")));
            } else if name.ends_with(ending) {
                found.push(name);
            }
        }
        found.sort();
        found
    }

    #[test]
    fn every_script_of_a_runtime_is_compiled_in() {
        let runtimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes");
        for (folder, ending, listed) in [("nodejs", ".js", NODEJS), ("python", ".py", PYTHON)] {
            let mut names: Vec<_> = listed.iter().map(|(name, _)| (*name).to_owned()).collect();
            names.sort();
            assert_eq!(names, scripts_in(&runtimes.join(folder), ending));
        }
    }

    #[test]
    fn a_runtime_serves_its_kinds_and_every_version_of_its_families() {
        let mut runtime = script("nodejs", Interpreter::Node("/bin/node".into()), NODEJS, "server.js");
        assert!(serve(std::slice::from_ref(&runtime), "nodejs:20"));
        assert!(!serve(std::slice::from_ref(&runtime), "python:3.11"));
        runtime.kinds = vec!["nodejs:20".to_owned()];
        assert!(serve(std::slice::from_ref(&runtime), "nodejs:20"));
        assert!(!serve(&[runtime], "nodejs:18"));
    }
}
