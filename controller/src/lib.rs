//! The public REST API and what stands behind it.
