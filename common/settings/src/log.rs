//! What is logged, and how it looks.

use oxwhisk_config::{Setting, Settings, setting};
use oxwhisk_service::telemetry::{LogConfig, LogFormat, parse_filter};

const LEVEL: &str = "oxwhisk.log.level";
const FORMAT: &str = "oxwhisk.log.format";
const COLOR: &str = "oxwhisk.log.color";

struct Filter(String);

impl Setting for Filter {
    fn read(text: &str) -> Result<Self, String> {
        parse_filter(text).map(|_| Self(text.to_owned())).map_err(|error| error.to_string())
    }

    fn literal(&self) -> String {
        setting::quoted(&self.0)
    }
}

struct Format(LogFormat);

impl Setting for Format {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }

    fn literal(&self) -> String {
        match self.0 {
            LogFormat::Text => "\"text\"",
            LogFormat::Json => "\"json\"",
        }
        .to_owned()
    }
}

#[derive(Clone, Copy)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Setting for Color {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(format!("'{text}' is none of 'auto', 'always' and 'never'")),
        }
    }

    fn literal(&self) -> String {
        match self {
            Self::Auto => "\"auto\"",
            Self::Always => "\"always\"",
            Self::Never => "\"never\"",
        }
        .to_owned()
    }
}

/// Reads how to log; colours are for terminals unless said otherwise.
pub fn read(settings: &mut Settings, stderr_is_terminal: bool) -> LogConfig {
    let default = LogConfig::default();
    let Filter(filter) = settings.value(LEVEL, Filter(default.filter));
    let Format(format) = settings.value(FORMAT, Format(default.format));
    let color = match settings.value(COLOR, Color::Auto) {
        Color::Auto => stderr_is_terminal,
        Color::Always => true,
        Color::Never => false,
    };
    LogConfig { filter, format, color }
}
