//! Stem cells of the manifest that can be had here: others would be tried again and again.

use oxwhisk_core::manifest::Manifest;
use oxwhisk_invoker::config::{StemCellConfig, StemCellError};

/// What the manifest asks for, of kinds that are `startable`. Those that are too large for all containers together are
/// said to be so.
///
/// # Errors
/// The first that makes no sense.
pub fn of_manifest(
    manifest: &Manifest,
    user_memory: u64,
    startable: impl Fn(&str) -> bool,
) -> Result<Vec<StemCellConfig>, StemCellError> {
    let mut cells = StemCellConfig::of_manifest(manifest)?;
    cells.retain(|cell| startable(&cell.kind));
    for cell in cells.iter().filter(|cell| cell.memory > user_memory) {
        let (kind, memory) = (&cell.kind, cell.memory);
        tracing::warn!(
            "no stem cell of kind '{kind}' is started: {memory} MB are more than all containers have, {user_memory} MB"
        );
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_startable_kinds_have_stem_cells() {
        let cells = r#""stemCells": [{"initialCount": 1, "memory": "256 MB"}]"#;
        let kind =
            |name: &str| format!(r#""{name}": [{{"kind": "{name}:1", "image": {{"name": "i"}}, {cells}}}]"#);
        let text = format!(r#"{{"runtimes": {{{}, {}}}}}"#, kind("go"), kind("php"));
        let manifest = Manifest::parse(&text).unwrap();
        let found = of_manifest(&manifest, 1024, |kind| kind == "go:1").unwrap();
        assert_eq!(found.iter().map(|cell| cell.kind.as_str()).collect::<Vec<_>>(), ["go:1"]);
        assert_eq!(of_manifest(&manifest, 1024, |_| true).unwrap().len(), 2);
    }
}
