#![doc = include_str!("../README.md")]

pub mod announce;
pub mod auth;
#[cfg(feature = "daemon")]
pub mod config;
mod data;
mod driver;
pub mod health;
mod limits;
pub mod manual;
pub mod observe;
mod page_cache;
pub mod ports;
mod proxy;
pub mod server;
mod shared;
mod shortage;
pub mod storage;
mod threads;
pub mod tls;

pub use ftp_proto as proto;
pub use limits::Limits;
pub use server::{Builder, ServeError, Server};
pub use shared::Options;
