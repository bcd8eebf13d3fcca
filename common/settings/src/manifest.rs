//! The runtimes manifest in force: a file, the environment's text, or the built-in one.

use std::path::PathBuf;

use oxwhisk_config::Settings;
use oxwhisk_core::manifest::{Manifest, ManifestError};

/// What the server knows without any configuration.
pub const BUILT_IN: &str = include_str!("../runtimes.json");

const FILE_KEY: &str = "oxwhisk.runtimes-manifest-file";
const TEXT_KEY: &str = "whisk.config.runtimes-manifest";

/// The built-in manifest.
///
/// # Errors
/// Never, by a test of this module.
pub fn built_in() -> Result<Manifest, ManifestError> {
    Manifest::parse(BUILT_IN)
}

/// Reads the manifest that the settings name. Of a file and a text the one from the higher layer counts, so that a
/// flag wins over `RUNTIMES_MANIFEST`. `None` after a fault, which is then with the settings.
pub fn read(settings: &mut Settings) -> Option<Manifest> {
    let file: Option<PathBuf> = settings.optional(FILE_KEY);
    let text: Option<String> = settings.optional(TEXT_KEY);
    let file_wins = settings.origin(FILE_KEY) >= settings.origin(TEXT_KEY);
    match (file, text) {
        (Some(path), text) if text.is_none() || file_wins => {
            let read = std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"));
            let parsed = read.and_then(|text| Manifest::parse(&text).map_err(|error| error.to_string()));
            parsed.map_err(|fault| settings.fault(FILE_KEY, format!("'{}' {fault}", path.display()))).ok()
        }
        (_, Some(text)) => {
            Manifest::parse(&text).map_err(|error| settings.fault(TEXT_KEY, error.to_string())).ok()
        }
        (None | Some(_), None) => {
            built_in().map_err(|error| settings.fault(FILE_KEY, format!("built in: {error}"))).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_is_valid_and_complete() {
        let manifest = built_in().expect("valid");
        assert_eq!(manifest.resolve("nodejs:default").map(|kind| kind.kind.as_str()), Some("nodejs:20"));
        assert_eq!(manifest.resolve("python:default").map(|kind| kind.kind.as_str()), Some("python:3.11"));
        assert!(manifest.kinds().all(|kind| kind.attached.is_some() && !kind.require_main));
        let skeleton = "openwhisk/dockerskeleton".parse().expect("an image");
        assert!(manifest.is_known_blackbox(&skeleton));
        let cells = &manifest.kind("nodejs:20").expect("a kind").stem_cells;
        assert_eq!((cells.len(), cells[0].initial_count, cells[0].memory.as_mb()), (1, 1, 256));
    }
}
