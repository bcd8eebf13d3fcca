use crate::harness::Test; pub const TESTS: &[Test] = &[];
