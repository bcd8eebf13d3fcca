//! The container pool of one node.
