//! Generates `proto/src/generated/` from the contracts in `proto/oxwhisk/`, with a compiler for them in Rust: no `protoc` is
//! needed. A crate of its own, so that it can run when the code it replaces does not compile.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;

/// Whose byte fields are shared and not copied: bodies that pass through.
const BYTES: &str = ".oxwhisk.dispatch.v1";
/// A message much larger than the others of its kind.
const BOXED: &str = ".oxwhisk.dispatch.v1.ConverseRequest.message.dispatch";

/// Generated files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The folder `proto/`.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where the generated files are.
#[must_use]
pub fn directory() -> PathBuf {
    root().join("src/generated")
}

/// Every contract, by its path as others import it.
///
/// # Errors
/// When a folder cannot be read.
pub fn contracts() -> io::Result<Vec<PathBuf>> {
    fn collect(directory: &Path, below: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let below = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                collect(&entry.path(), &below, found)?;
            } else if below.extension().is_some_and(|extension| extension == "proto") {
                found.push(below);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    collect(&root().join("oxwhisk"), Path::new("oxwhisk"), &mut found)?;
    found.sort();
    Ok(found)
}

/// The contracts with all they import and with their comments.
///
/// # Errors
/// When one of them is wrong: where and how.
pub fn descriptors() -> io::Result<FileDescriptorSet> {
    Ok(compiler(true)?.file_descriptor_set())
}

fn compiler(comments: bool) -> io::Result<protox::Compiler> {
    let wrong = |error: protox::Error| io::Error::other(format!("{error:?}"));
    let mut compiler = protox::Compiler::new([root()]).map_err(wrong)?;
    compiler.include_imports(true).include_source_info(comments);
    compiler.open_files(contracts()?).map_err(wrong)?;
    Ok(compiler)
}

/// What the folder of generated files should hold.
///
/// # Errors
/// When a contract is wrong, or there is no temporary directory.
pub fn generate() -> io::Result<Files> {
    let out = tempfile::tempdir()?;
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(BYTES)
        .boxed(BOXED)
        .out_dir(out.path())
        .compile_fds(descriptors()?)?;
    let mut files = files_of(out.path())?;
    // For reflection, which has no use for comments.
    files.insert("descriptors.bin".to_owned(), compiler(false)?.encode_file_descriptor_set());
    Ok(files)
}

/// The files of a folder.
///
/// # Errors
/// When one cannot be read.
pub fn files_of(directory: &Path) -> io::Result<Files> {
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    };
    fs::read_dir(directory)?.map(read).collect()
}
