use crate::harness::Test;
pub(crate) const TESTS: &[Test] = &[];
pub(crate) fn is_victim() -> bool { false }
pub(crate) fn be_victim() -> std::process::ExitCode { std::process::ExitCode::FAILURE }
