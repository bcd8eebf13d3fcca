//! What every service does alike: telemetry, signals, drain.
