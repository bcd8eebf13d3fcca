//! Archives as actions.

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::harness::{Proxy, error, ok};

const LIST: &[u8] =
    b"#!/bin/sh\necho \"{\\\"data\\\":\\\"$(cat lib/data)\\\",\\\"link\\\":\\\"$(readlink lib/link)\\\",\
    \\\"through\\\":\\\"$(cat lib/link)\\\",\\\"mode\\\":\\\"$(stat -c %a lib/data)\\\"}\"\n";

type File<'a> = (&'a str, &'a [u8], u32);

fn zip(files: &[File<'_>], links: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content, mode) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        zip.write_all(content).unwrap();
    }
    for (name, points_to) in links {
        zip.add_symlink(*name, *points_to, SimpleFileOptions::default()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tar_gz(files: &[File<'_>], links: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        // Past the crate's own check of names: this is what a hostile archive holds.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    for (name, points_to) in links {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, name, points_to).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn zip_and_tar_keep_permissions_and_links() {
    let files: &[File<'_>] = &[("exec", LIST, 0o644), ("lib/data", b"deep", 0o640)];
    let links = &[("lib/link", "data")];
    for archive in [zip(files, links), tar_gz(files, links)] {
        let mut proxy = Proxy::start();
        assert_eq!(proxy.init_binary(&archive), ok());
        let expected = json!({"data": "deep", "link": "data", "through": "deep", "mode": "640"});
        assert_eq!(proxy.run(&json!({})), (200, expected));
    }
}

#[test]
fn an_archive_without_exec_is_refused() {
    for archive in [zip(&[("other", b"x", 0o755)], &[]), tar_gz(&[("dir/exec", b"x", 0o755)], &[])] {
        let mut proxy = Proxy::start();
        let answer = proxy.init_binary(&archive);
        assert_eq!(
            answer,
            error(502, "The action failed to generate or locate a binary. See logs for details.")
        );
        assert!(proxy.stdout().contains("no file exec at its root"), "{}", proxy.stdout());
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    for name in ["../escaped", "/tmp/oxwhisk-escaped", "lib/../../escaped"] {
        let files: &[File<'_>] = &[("exec", LIST, 0o755), (name, b"x", 0o644)];
        for archive in [zip(files, &[]), tar_gz(files, &[])] {
            let mut proxy = Proxy::start();
            let (status, answer) = proxy.init_binary(&archive);
            assert_eq!(status, 502);
            assert!(answer["error"].as_str().unwrap().contains("outside its own folder"), "{answer}");
            assert!(!proxy.folder().join("escaped").exists());
        }
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let files: &[File<'_>] = &[("exec", b"#!/bin/sh\necho '{}'\n", 0o755), ("lib/data", b"x", 0o644)];
    for archive in [zip(files, &[("lib", "..")]), tar_gz(files, &[("lib", "..")])] {
        let mut proxy = Proxy::start();
        assert_eq!(proxy.init_binary(&archive).0, 502, "a link cannot replace a folder that holds files");
        assert!(!proxy.folder().join("data").exists());
    }
    let links = &[("a", ".."), ("a/b", "exec")];
    for archive in [zip(&files[..1], links), tar_gz(&files[..1], links)] {
        let mut proxy = Proxy::start();
        let (status, answer) = proxy.init_binary(&archive);
        assert_eq!(status, 502, "{answer}");
        assert!(!proxy.folder().join("b").is_symlink());
    }
}

#[test]
fn a_damaged_archive_is_refused() {
    for archive in [&b"PK\x03\x04nonsense"[..], b"\x1f\x8b\x08\x00nonsense"] {
        let mut proxy = Proxy::start();
        let (status, answer) = proxy.init_binary(archive);
        assert_eq!(status, 502);
        assert!(answer["error"].as_str().unwrap().contains("archive is damaged"), "{answer}");
    }
}

#[test]
fn the_execution_environment_must_match() {
    let script: File<'_> = ("exec", b"#!/bin/sh\necho '{}'\n", 0o755);
    for (exec_env, status) in
        [(Some("oxwhisk/native:1.2\n"), 200), (Some("openwhisk/go\n"), 502), (None, 502)]
    {
        let mut files = vec![script];
        files.extend(exec_env.map(|text| ("exec.env", text.as_bytes(), 0o644)));
        let mut proxy = Proxy::start_with(&[("OW_EXECUTION_ENV", "oxwhisk/native")]);
        let (answered, answer) = proxy.init_binary(&zip(&files, &[]));
        assert_eq!(answered, status, "{answer}");
        if status == 502 {
            assert!(
                answer["error"]
                    .as_str()
                    .unwrap()
                    .starts_with("cannot start action: the action was built for")
            );
        }
    }
}

#[test]
fn a_launcher_of_a_named_loop_is_undecided_and_a_file_can_declare_it() {
    let launcher: File<'_> = ("exec", b"#!/bin/sh\nexec ./worker \"$@\"\n", 0o755);
    let worker: File<'_> =
        ("worker", b"#!/bin/sh\nwhile read -r line; do echo \"{\\\"pid\\\":$$}\" >&3; done\n", 0o755);
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&zip(&[launcher, worker], &[])), ok());
    let first = proxy.run(&json!({}));
    assert_eq!((first.0, proxy.run(&json!({}))), (200, first));

    let worker: File<'_> = ("worker", b"#!/bin/sh\n# >&3\nread -r line; printf '%s\\n' \"$line\"\n", 0o755);
    let declared: File<'_> = ("exec.protocol", b"skeleton\n", 0o644);
    let mut proxy = Proxy::start();
    assert_eq!(proxy.init_binary(&tar_gz(&[launcher, worker, declared], &[])), ok());
    assert_eq!(proxy.run(&json!({"a": 1})), (200, json!({"a": 1})));
}
