//! `/init`: from the request to an executable file in a folder of its own.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::CString,
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    archive::{self, ArchiveError},
    code::{self, CodeError, CodeKind},
    environment::{Environment, variable_text},
    protocol::{self, Presumption, Protocol},
    settings::Settings,
};

/// The body of `/init`.
#[derive(Debug, Deserialize)]
pub(crate) struct InitRequest<'a> {
    #[serde(borrow, default)]
    pub(crate) value: InitValue<'a>,
}

/// What `/init` is about; members that only other runtimes need are left out.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct InitValue<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) binary: bool,
    #[serde(borrow, default)]
    pub(crate) env: BTreeMap<String, &'a RawValue>,
}

/// A string borrowed from the request where it holds no escapes: serde would copy an `Option<Cow>`, and code is large.
#[derive(Debug, Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why no executable came of an `/init`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is nothing to run; the log says what was looked for.
    #[error("the archive has no file exec at its root")]
    NoExec,
    #[error("the action was built for execution environment {found:?}, and this one is {wanted:?}")]
    ExecutionEnv { found: String, wanted: String },
    #[error("exec.protocol or OW_ACTION_PROTOCOL is {0:?}, expected auto, actionloop or skeleton")]
    Protocol(String),
    #[error("interpreter {0} of the script does not exist")]
    Interpreter(String),
    #[error("cannot write the action to {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

/// An executable ready to start. Dropping it removes its folder.
#[derive(Debug)]
pub(crate) struct Executable {
    folder: Folder,
    /// What is known of its protocol.
    pub(crate) presumption: Presumption,
    /// What `/init` and the image set; `/run` adds to it.
    pub(crate) environment: Environment,
}

#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A container's /tmp goes with the container; outside one, a leftover folder is all that can come of it.
        let _leftover = fs::remove_dir_all(&self.0);
    }
}

impl Executable {
    /// The file to execute.
    pub(crate) fn exec(&self) -> CString {
        c_path(&self.folder.0.join("exec"))
    }

    /// The folder it runs in.
    pub(crate) fn dir(&self) -> CString {
        c_path(&self.folder.0)
    }
}

fn c_path(path: &Path) -> CString {
    // A path that the kernel made a folder at holds no NUL.
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// Decodes and unpacks the code, and presumes its protocol.
///
/// # Errors
/// The reason why there is nothing to run.
pub(crate) fn prepare(
    value: &InitValue<'_>,
    code: &str,
    settings: &Settings,
) -> Result<Executable, InitError> {
    let (kind, bytes) = code::decode(code, value.binary)?;
    let folder = make_folder(&settings.temp_dir)?;
    let root = &folder.0;
    match kind {
        CodeKind::Elf | CodeKind::Script => write_exec(root, &bytes)?,
        CodeKind::Zip => archive::unzip(&bytes, root)?,
        CodeKind::TarGz => archive::untar(&bytes, root)?,
    }
    let script = make_executable(&root.join("exec"))?;
    if matches!(kind, CodeKind::Zip | CodeKind::TarGz) {
        check_execution_env(root, settings.execution_env.as_deref())?;
    }
    let mut environment = Environment::new(&settings.inherited_env);
    environment.set("PWD", root);
    for (name, text) in &value.env {
        environment.set(name, variable_text(text));
    }
    let presumption = match declared_protocol(root, value, settings)? {
        Some(protocol) => Presumption::Declared(protocol),
        None => presume(root, script.as_deref()),
    };
    Ok(Executable { folder, presumption, environment })
}

fn make_folder(temp_dir: &Path) -> Result<Folder, InitError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = temp_dir.join(format!("oxwhisk-action-{}-{number}", process::id()));
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => return Ok(Folder(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(InitError::Write { path, error }),
        }
    }
}

fn write_exec(root: &Path, bytes: &[u8]) -> Result<(), InitError> {
    let path = root.join("exec");
    fs::write(&path, bytes).map_err(|error| InitError::Write { path, error })
}

/// Gives `exec` its execute bits; returns its text if it is a script. A program is not read back: it may be large.
fn make_executable(exec: &Path) -> Result<Option<Vec<u8>>, InitError> {
    let write_error = |error| InitError::Write { path: exec.to_owned(), error };
    let mode = match fs::metadata(exec) {
        Ok(metadata) if metadata.is_file() => metadata.permissions().mode(),
        _ => return Err(InitError::NoExec),
    };
    fs::set_permissions(exec, Permissions::from_mode(mode & 0o777 | 0o555)).map_err(write_error)?;
    match CodeKind::of(&first_bytes(exec).map_err(write_error)?)? {
        CodeKind::Elf => Ok(None),
        CodeKind::Script => {
            let script = fs::read(exec).map_err(write_error)?;
            match code::interpreter(&script) {
                Some(path) if Path::new(path).exists() => Ok(Some(script)),
                interpreter => Err(InitError::Interpreter(interpreter.unwrap_or_default().to_owned())),
            }
        }
        CodeKind::Zip | CodeKind::TarGz => Err(CodeError::Unknown.into()),
    }
}

fn first_bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_execution_env(root: &Path, wanted: Option<&str>) -> Result<(), InitError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found = fs::read_to_string(root.join("exec.env")).unwrap_or_default();
    if found.starts_with(wanted) {
        return Ok(());
    }
    Err(InitError::ExecutionEnv { found: found.trim().to_owned(), wanted: wanted.to_owned() })
}

fn declared_protocol(
    root: &Path,
    value: &InitValue<'_>,
    settings: &Settings,
) -> Result<Option<Protocol>, InitError> {
    let file = fs::read_to_string(root.join("exec.protocol")).ok();
    let word = file.or_else(|| value.env.get("OW_ACTION_PROTOCOL").map(|word| variable_text(word)));
    if let Some(word) = word {
        return Protocol::parse_override(&word).ok_or(InitError::Protocol(word));
    }
    Ok(settings.protocol.or_else(|| settings.wait_for_ack.then_some(Protocol::ActionLoop)))
}

fn presume(root: &Path, script: Option<&[u8]>) -> Presumption {
    let Some(script) = script else { return Presumption::Undecided };
    let named = named_siblings(root, script);
    protocol::of_script(script, named.iter().map(Vec::as_slice))
}

/// The files beside `exec` that its text names: a launcher script often only starts one of them.
fn named_siblings(root: &Path, exec: &[u8]) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let is_named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name != b"exec" && memchr::memmem::find(exec, name).is_some()
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(is_named).filter_map(|path| fs::read(path).ok()).collect()
}
