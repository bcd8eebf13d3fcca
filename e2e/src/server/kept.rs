//! Everything that a server keeps, to be searched for what must not be there.

use std::path::{Path, PathBuf};

use crate::http::Api;

/// Where a server keeps things.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its data directory.
    pub(super) data: PathBuf,
    /// What running containers have, below it.
    pub(super) containers: PathBuf,
    /// What it keeps in services.
    pub(super) services: Option<InServices>,
}

/// Topics and databases whose names begin with that of a deployment.
#[derive(Debug)]
pub(super) struct InServices {
    pub(super) deployment: String,
    /// A folder for each partition of Kafka.
    pub(super) partitions: PathBuf,
    pub(super) couchdb: Api,
}

impl Kept {
    /// Files and databases that contain `text`.
    #[track_caller]
    pub(super) fn places_of(&self, text: &str) -> Vec<String> {
        let mut files = files_below(&self.data);
        files.retain(|path| !path.starts_with(&self.containers));
        let mut places = Vec::new();
        if let Some(services) = &self.services {
            files.extend(services.files());
            places.extend(services.databases().into_iter().filter(|(_, all)| all.contains(text)));
        }
        let names = places.into_iter().map(|(name, _)| name);
        names.chain(files.into_iter().filter(|path| contains(path, text)).map(|path| shown(&path))).collect()
    }
}

impl InServices {
    #[track_caller]
    fn files(&self) -> Vec<PathBuf> {
        let topics = format!("{}.", self.deployment);
        let is_own =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&topics));
        entries(&self.partitions).into_iter().filter(is_own).flat_map(|folder| files_below(&folder)).collect()
    }

    /// Name and documents of each database.
    #[track_caller]
    fn databases(&self) -> Vec<(String, String)> {
        let all = self.couchdb.get("/_all_dbs").send().expect(200).array();
        let names = all.iter().filter_map(|name| name.as_str());
        let documents = |name: &str| {
            let answer = self.couchdb.get(&format!("/{name}/_all_docs?include_docs=true")).send();
            (name.to_owned(), answer.expect(200).text())
        };
        names.filter(|name| name.starts_with(&self.deployment)).map(documents).collect()
    }
}

#[track_caller]
fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("readable");
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[track_caller]
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in entries(dir) {
        match std::fs::symlink_metadata(&entry) {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry)),
            Ok(kind) if kind.is_file() => files.push(entry),
            _ => {}
        }
    }
    files
}

#[track_caller]
fn contains(path: &Path, text: &str) -> bool {
    let bytes = std::fs::read(path).expect("readable");
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_searched_but_for_those_of_containers() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let containers = dir.path().join("sandbox");
        for folder in ["queue", "sandbox"] {
            std::fs::create_dir(dir.path().join(folder)).expect("own directory");
            std::fs::write(dir.path().join(folder).join("file"), "a secret").expect("own directory");
        }
        let kept = Kept { data: dir.path().to_owned(), containers, services: None };
        assert_eq!(kept.places_of("secret"), [dir.path().join("queue/file").display().to_string()]);
        assert_eq!(kept.places_of("none"), [""; 0]);
    }
}
