//! The services over gRPC, on stores and a bus in memory.

mod dead_letters;
mod fixture;
mod subjects;
