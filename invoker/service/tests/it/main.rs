//! The invoker from outside: its command line, its configuration, and the real binary with a controller that the test
//! plays.

mod binary;
mod command_line;
mod configuration;
mod controller;
mod conversation;
mod drain;
mod kafka;
mod library;
mod processes;
mod startup;
