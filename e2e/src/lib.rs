//! The harness of the black-box tests: it starts the real `oxwhisk` binary (or is pointed at a server that
//! already runs), hands every test a namespace of its own, and speaks plain HTTP/1.1 to it.
//!
//! Nothing of the platform's code is imported here. What the tests know is what a client can see: the REST API,
//! the command line and the files of a data directory. A bug in a shared type therefore cannot hide itself by
//! being on both sides.
//!
//! The parts: [`http`] and [`response`] (one request on the wire, one answer with its checks), [`users`] (who
//! may log in), [`server`] (one process), [`shared`] (the server most tests share, or a remote one),
//! [`tenant`] (a test's own namespace), [`action`] (small bodies for `PUT`), [`wait`] (conditions with
//! deadlines), [`wsk`] and [`js_client`] (the official clients), [`wskadmin`], [`cluster`] (parts
//! that tests look at, or kill), [`report`] (lines a test run must show).

pub mod action;
pub mod cluster;
pub mod docker;
pub mod http;
pub mod js_client;
pub mod ports;
pub mod process;
pub mod report;
pub mod response;
pub mod server;
pub mod shared;
pub mod tenant;
pub mod users;
pub mod wait;
pub mod wsk;
pub mod wskadmin;

pub use http::{Api, Request};
pub use response::Response;
pub use server::{Server, ServerOptions};
pub use tenant::Tenant;
pub use users::{Roster, User};
