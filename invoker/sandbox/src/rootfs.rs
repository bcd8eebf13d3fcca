//! What a sandbox sees of the host: which directories are shown, and the small files made for it.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use oxwhisk_sandbox_init::{Bind, HOST_NAME, RootLayout};

use crate::config::{RuntimeContents, RuntimeFile};
use crate::error::SetupError;

/// The system directories: bound if they are directories, copied if they are links into another of them.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Files and directories of `/etc` that programs of the system need and that hold no secret.
const ETC: [&str; 10] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
];
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];
const MOUNT_POINTS: [&str; 9] = ["dev/shm", "etc", "home", "proc", "root", "run/ow", "tmp", "var/tmp", "opt"];

/// Writes the generated files below `directory` (made anew) and says what to mount over them.
///
/// `prefixes` are directories of interpreters; those inside a system directory need nothing. `name_server` goes
/// into `resolv.conf`.
pub(crate) fn prepare(
    directory: &Path,
    prefixes: &[PathBuf],
    files: &[RuntimeFile],
    name_server: Option<std::net::Ipv4Addr>,
    keep_proc: bool,
) -> Result<RootLayout, SetupError> {
    let failed = SetupError::path("prepare", directory);
    let build = || -> io::Result<Vec<Bind>> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        make_directories(directory, Path::new(""))?;
        for point in MOUNT_POINTS {
            make_directories(directory, Path::new(point))?;
        }
        write_etc(directory, name_server)?;
        for (link, target) in DEVICE_LINKS {
            symlink(target, directory.join(link))?;
        }
        for file in files {
            write_runtime_file(directory, file)?;
        }
        make_mount_points(directory, prefixes)
    };
    let binds = build().map_err(failed)?;
    Ok(RootLayout { directory: directory.to_owned(), binds, keep_proc })
}

/// Interpreter directories that the system directories do not already show.
pub(crate) fn outside_system(prefixes: &[PathBuf]) -> Vec<PathBuf> {
    let mut shown: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    let mut needed = Vec::new();
    let mut sorted = prefixes.to_vec();
    sorted.sort();
    for prefix in sorted {
        if !shown.iter().any(|parent| prefix.starts_with(parent)) {
            shown.push(prefix.clone());
            needed.push(prefix);
        }
    }
    needed
}

fn make_mount_points(directory: &Path, prefixes: &[PathBuf]) -> io::Result<Vec<Bind>> {
    let mut binds = Vec::new();
    for path in SYSTEM {
        if let Ok(target) = fs::read_link(path) {
            symlink(target, directory.join(&path[1..]))?;
        } else if Path::new(path).is_dir() {
            binds.push(mount_point(directory, Path::new(path), false)?);
        }
    }
    for prefix in outside_system(prefixes) {
        binds.push(mount_point(directory, &prefix, false)?);
    }
    for path in ETC {
        match fs::read_link(path) {
            // A link into what is shown (such as localtime) stays a link.
            Ok(target) => {
                make_directories(directory, Path::new(path).parent().unwrap_or_else(|| Path::new("/")))?;
                symlink(target, directory.join(&path[1..]))?;
            }
            Err(_) if Path::new(path).exists() => binds.push(mount_point(directory, Path::new(path), false)?),
            Err(_) => {}
        }
    }
    for path in DEVICES {
        binds.push(mount_point(directory, Path::new(path), true)?);
    }
    Ok(binds)
}

fn mount_point(directory: &Path, path: &Path, device: bool) -> io::Result<Bind> {
    if path.is_dir() {
        make_directories(directory, path)?;
    } else {
        make_directories(directory, path.parent().unwrap_or_else(|| Path::new("/")))?;
        write(&inside(directory, path), b"", 0o644)?;
    }
    Ok(Bind { source: path.to_owned(), target: path.to_owned(), device })
}

fn write_etc(directory: &Path, name_server: Option<std::net::Ipv4Addr>) -> io::Result<()> {
    let resolver = name_server.map_or_else(String::new, |address| format!("nameserver {address}\n"));
    let files = [
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n".to_owned(),
        ),
        ("group", "root:x:0:\nnogroup:x:65534:\n".to_owned()),
        ("hostname", format!("{HOST_NAME}\n")),
        ("hosts", format!("127.0.0.1 localhost {HOST_NAME}\n")),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n".to_owned()),
        ("resolv.conf", resolver),
    ];
    for (name, text) in files {
        write(&directory.join("etc").join(name), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

fn write_runtime_file(directory: &Path, file: &RuntimeFile) -> io::Result<()> {
    let plain = file.path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    if !file.path.starts_with("/opt") || !plain {
        return Err(io::Error::other(format!(
            "the runtime file {} is not plainly below /opt",
            file.path.display()
        )));
    }
    make_directories(directory, file.path.parent().unwrap_or_else(|| Path::new("/opt")))?;
    let path = inside(directory, &file.path);
    let mode = if file.executable { 0o755 } else { 0o644 };
    match &file.contents {
        RuntimeContents::Bytes(bytes) => write(&path, bytes, mode),
        RuntimeContents::File(source) => {
            fs::copy(source, &path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        }
    }
}

/// Makes `path` below `directory`; modes are set apart from the umask, which would keep sandboxes out.
fn make_directories(directory: &Path, path: &Path) -> io::Result<()> {
    let mut at = directory.to_owned();
    fs::create_dir_all(&at)?;
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755))?;
    for part in path.components().filter(|part| matches!(part, Component::Normal(_))) {
        at.push(part);
        if !at.is_dir() {
            fs::create_dir(&at)?;
            fs::set_permissions(&at, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    fs::write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn inside(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prefixes_outside_the_system_are_shown_and_each_once() {
        let prefixes =
            ["/usr/local", "/root/.pyenv/versions/3.11", "/root/.pyenv", "/usrlocal", "/root/.pyenv"];
        let prefixes: Vec<_> = prefixes.map(PathBuf::from).to_vec();
        assert_eq!(outside_system(&prefixes), [PathBuf::from("/root/.pyenv"), PathBuf::from("/usrlocal")]);
    }

    #[test]
    fn the_tree_has_its_files_and_readable_modes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let file = RuntimeFile {
            path: "/opt/x/run".into(),
            contents: RuntimeContents::Bytes(b"#!"),
            executable: true,
        };
        let program = dir.path().join("program");
        fs::write(&program, "of this machine").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let copied = RuntimeFile {
            path: "/opt/y".into(),
            contents: RuntimeContents::File(program),
            executable: false,
        };
        let layout = prepare(&root, &[], &[file, copied], Some([10, 0, 0, 1].into()), false).unwrap();
        assert_eq!(fs::read_to_string(root.join("etc/resolv.conf")).unwrap(), "nameserver 10.0.0.1\n");
        assert_eq!(fs::metadata(root.join("opt/x/run")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::metadata(root.join("opt/x")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_to_string(root.join("opt/y")).unwrap(), "of this machine");
        assert_eq!(fs::metadata(root.join("opt/y")).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(layout.binds.iter().any(|bind| bind.source == Path::new("/usr") && !bind.device));
        assert!(layout.binds.iter().any(|bind| bind.source == Path::new("/dev/null") && bind.device));
        assert!(!layout.binds.iter().any(|bind| bind.source == Path::new("/etc")));
    }

    #[test]
    fn a_runtime_file_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["/etc/passwd", "/opt/../etc/passwd", "opt/x"] {
            let file =
                RuntimeFile { path: path.into(), contents: RuntimeContents::Bytes(b""), executable: false };
            assert!(prepare(&dir.path().join("root"), &[], &[file], None, false).is_err(), "{path}");
        }
    }
}
