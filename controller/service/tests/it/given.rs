//! What a controller cannot do without, and the command line read with it.

use std::ffi::OsString;
use std::path::Path;

use oxwhisk_controller_service::cli::{self, Invocation, Start};
use oxwhisk_controller_service::key_file;
use oxwhisk_settings::Refusal;

/// Files of keys, and variables that name them and a Kafka.
pub(crate) struct Given {
    dir: tempfile::TempDir,
}

impl Given {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["controllers.keys", "proxies.keys"] {
            key_file::generate(&dir.path().join(name)).expect("writable");
        }
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file beside the keys.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.display().to_string()
    }

    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.path().join(name).display().to_string();
        vec![
            ("CONFIG_oxwhisk_tickets_controllerKeysFile".to_owned(), file("controllers.keys")),
            ("CONFIG_oxwhisk_tickets_cacheProxyKeysFile".to_owned(), file("proxies.keys")),
            ("KAFKA_HOSTS".to_owned(), "127.0.0.1:1".to_owned()),
        ]
    }

    /// The command line with these variables instead of, or beside, the given ones.
    pub(crate) fn invoke(&self, arguments: &[&str], more: &[(&str, &str)]) -> Result<Invocation, Refusal> {
        let mut environment: Vec<(OsString, OsString)> = Vec::new();
        for (name, value) in self.variables() {
            if more.iter().all(|(other, _)| *other != name) {
                environment.push((name.into(), value.into()));
            }
        }
        environment.extend(more.iter().map(|(name, value)| (name.into(), value.into())));
        cli::parse(["controller"].iter().chain(arguments), environment)
    }

    #[track_caller]
    pub(crate) fn start(&self, arguments: &[&str], more: &[(&str, &str)]) -> Start {
        match self.invoke(arguments, more) {
            Ok(Invocation::Serve(start)) => *start,
            other => panic!("not a start: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str], more: &[(&str, &str)]) -> Refusal {
        match self.invoke(arguments, more) {
            Err(refusal) => refusal,
            Ok(other) => panic!("not refused: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn printed(&self, arguments: &[&str], more: &[(&str, &str)]) -> String {
        match self.invoke(arguments, more) {
            Ok(Invocation::Print(text)) => text,
            other => panic!("nothing printed: {other:?}"),
        }
    }
}
