#![doc = include_str!("../README.md")]

pub mod announce;
pub mod auth;
#[cfg(feature = "daemon")]
pub mod config;
mod data;
mod driver;
pub mod health;
pub mod manual;
pub mod observe;
pub mod ports;
mod proxy;
pub mod server;
pub mod storage;
pub mod tls;

pub use ftp_proto as proto;
pub use server::{Builder, Limits, Options, ServeError, Server};
