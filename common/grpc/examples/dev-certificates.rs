//! Makes an authority and certificates for development:
//! `cargo run -p oxwhisk-grpc --features dev-certificates --example dev-certificates -- DIRECTORY ROLE/NAME...`

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use oxwhisk_grpc::{Identity, dev_certificates};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(text) => {
            // A reader that has gone away has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "dev-certificates: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let [directory, peers @ ..] = arguments else {
        return Err("usage: dev-certificates DIRECTORY ROLE/NAME...".to_owned());
    };
    let parse = |text: &String| text.parse::<Identity>().map_err(|error| error.to_string());
    let peers: Vec<Identity> = peers.iter().map(parse).collect::<Result<_, _>>()?;
    let files =
        dev_certificates::write_all(Path::new(directory), &peers).map_err(|error| error.to_string())?;
    let line = |(identity, files): (&Identity, &oxwhisk_grpc::TlsFiles)| {
        format!("{identity}\t{}\n", files.certificate.parent().unwrap_or_else(|| Path::new("")).display())
    };
    Ok(peers.iter().zip(&files).map(line).collect())
}
