//! The suite's own client. It shares no reader with the server's crates: a misreading on both sides would cancel
//! out. Every octet of the control connection passes the strict reader.

pub mod control;
pub mod data;
pub mod fault;
pub mod hello;
pub mod reply;
mod secure;
pub mod tls;
pub mod transcript;
pub mod wire;

pub use control::Peer;
pub use reply::Reply;
