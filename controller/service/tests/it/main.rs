//! Forged, stolen, swapped and expired tickets, over real connections; and the writer of the records under them.

mod code;
mod fixture;
mod records;
mod shared_records;
mod writer;
