//! The stores over CouchDB, in the documents, views and attachments of an OpenWhisk database: a database that OpenWhisk
//! wrote is served as it is, and OpenWhisk serves what is written here. Others may use the same databases meanwhile.
//!
//! - [`CouchStores`]: the stores of one deployment, and what has to be there before they serve;
//! - [`CouchConfig`]: where the databases are, with OpenWhisk's keys;
//! - `client`: HTTP with bounded retries, times and connections; `database`: documents and views of one database;
//! - `design`: the design documents; `entity`, `attachment`, `record`, `subject`, `contents`: the traits;
//! - `json`, `document`: what CouchDB does not keep letter by letter, and what older versions wrote otherwise.
//!
//! Facts about CouchDB are those of the documentation of Apache CouchDB 3.x. Where PouchDB Server, against which the
//! tests run, does otherwise, a comment says so.

mod attachment;
mod client;
mod config;
mod contents;
mod database;
mod design;
mod document;
mod entity;
mod json;
mod record;
mod stores;
mod subject;

pub use config::{CouchConfig, Databases, Lists, Protocol, Retries, UrlError};
pub use stores::{ConnectError, CouchStores};
