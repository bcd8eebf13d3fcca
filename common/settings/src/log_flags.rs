//! The flags that say what is logged; every server has them.

use clap::{ArgAction, Args};
use oxwhisk_config::Layers;

const LOGGING: &str = "Logging";

/// To be flattened into a command line.
#[derive(Clone, Debug, Args)]
pub struct LogFlags {
    /// Log more: -v for debug, -vv for trace
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "log_level", help_heading = LOGGING)]
    verbose: u8,

    /// What to log: a level, or levels by module: 'warn,oxwhisk_invoker=debug'
    /// [default: info] [env: CONFIG_oxwhisk_log_level]
    #[arg(verbatim_doc_comment, long, value_name = "FILTER", help_heading = LOGGING)]
    log_level: Option<String>,

    /// Shape of log lines: 'text' as OpenWhisk's, or 'json' [default: text]
    /// [env: CONFIG_oxwhisk_log_format]
    #[arg(verbatim_doc_comment, long, value_name = "FORMAT", help_heading = LOGGING)]
    log_format: Option<String>,

    /// No colours in log lines; without this, a terminal gets them
    /// [env: CONFIG_oxwhisk_log_color=never]
    #[arg(verbatim_doc_comment, long, help_heading = LOGGING)]
    disable_color_logging: bool,
}

impl LogFlags {
    /// Adds them to the highest layer.
    pub fn add_to(&self, layers: &mut Layers) {
        if let Some(filter) = &self.log_level {
            layers.add_flag("--log-level", "oxwhisk.log.level", filter.clone());
        }
        if let Some(format) = &self.log_format {
            layers.add_flag("--log-format", "oxwhisk.log.format", format.clone());
        }
        match self.verbose {
            0 => {}
            1 => layers.add_flag("--verbose", "oxwhisk.log.level", "debug".to_owned()),
            _ => layers.add_flag("--verbose", "oxwhisk.log.level", "trace".to_owned()),
        }
        if self.disable_color_logging {
            layers.add_flag("--disable-color-logging", "oxwhisk.log.color", "never".to_owned());
        }
    }
}
