//! All of Oxwhisk in one process.
