//! The bus: traits, topics and the embedded implementation.
