//! `cargo run -p oxwhisk-proto-generate`: brings `proto/src/generated/` up to date.

use std::fs;
use std::io;

use oxwhisk_proto_generate::{directory, files_of, generate};

fn main() -> io::Result<()> {
    let (new, directory) = (generate()?, directory());
    fs::create_dir_all(&directory)?;
    for stale in files_of(&directory)?.keys().filter(|name| !new.contains_key(*name)) {
        fs::remove_file(directory.join(stale))?;
    }
    new.iter().try_for_each(|(name, content)| fs::write(directory.join(name), content))
}
