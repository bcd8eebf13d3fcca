//! What a service sees of its configuration, layer by layer.

mod faults;
mod layering;

use std::ffi::OsString;
use std::path::Path;

use oxwhisk_config::{Faults, Layers, Settings};

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn from_file(name: &str, text: &str) -> Settings {
    let mut layers = Layers::new(&["whisk.users"]);
    layers.add_file_text(Path::new(name), text);
    layers.into_settings()
}

fn from_environment(variables: &[(&str, &str)]) -> Settings {
    let mut layers = Layers::new(&["whisk.users"]);
    layers.add_environment(environment(variables));
    layers.into_settings()
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}
