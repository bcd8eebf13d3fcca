//! Archives of code, as users upload them.

use std::io::{Cursor, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zip::write::SimpleFileOptions;

/// A zip with these files, every one executable.
pub(crate) fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        zip.start_file(*name, options).expect("an entry");
        zip.write_all(content.as_bytes()).expect("into memory");
    }
    zip.finish().expect("an archive").into_inner()
}

/// [`zip_of`] as the `code` of an action.
pub(crate) fn zip_code(files: &[(&str, &str)]) -> String {
    STANDARD.encode(zip_of(files))
}
