#![doc = include_str!("../README.md")]

pub mod auth;
#[cfg(feature = "daemon")]
pub mod config;
mod data;
mod driver;
pub mod observe;
pub mod ports;
pub mod server;
pub mod storage;
pub mod tls;

pub use ftp_proto as proto;
pub use server::{Builder, Limits, Options, ServeError, Server};
