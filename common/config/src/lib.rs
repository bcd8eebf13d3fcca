//! Layered configuration for every service: defaults, then a file, then the environment, then flags; the later
//! layer wins. Keys are those of OpenWhisk's HOCON (`whisk.time-limit.max`), whatever layer they come from.
//!
//! A service fills [`Layers`], turns them into [`Settings`], reads each of its keys from there with the default as
//! an argument, and ends with [`Settings::finish`]. Reading never stops at a fault: a broken value is remembered and
//! the default returned, so that one start shows *every* fault, each with its key and the place it came from. The
//! keys that were read are, by that, the keys that exist: anything else in a layer is an unknown key. There is no
//! second list of keys to keep in step.
//!
//! - [`layers`]: files (TOML, YAML, JSON by the `config` crate), environment, flags, merged;
//! - [`names`]: how environment variables name keys; [`openwhisk`]: OpenWhisk's names as data;
//! - [`settings`], [`setting`]: reading typed values; [`fault`]: what was wrong; [`dump`]: `--dump-config`;
//! - [`duration`]: `10 minutes`, `5m`, `100 ms`.

pub mod dump;
pub mod duration;
pub mod fault;
pub mod layers;
pub mod names;
pub mod openwhisk;
pub mod setting;
pub mod settings;
mod suggest;

pub use dump::Dump;
pub use fault::{Fault, Faults, Origin};
pub use layers::Layers;
pub use setting::Setting;
pub use settings::{Loaded, Settings};
