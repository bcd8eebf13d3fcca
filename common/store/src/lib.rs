//! Stores: traits, SQLite and in-memory implementations, one conformance suite.
