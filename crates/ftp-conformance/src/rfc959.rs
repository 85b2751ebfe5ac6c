//! RFC 959, with RFC 1123 §4.1 and what custom makes of both.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod coding;
pub(crate) mod dialogue;
pub(crate) mod files;
pub(crate) mod limits;
pub(crate) mod permissions;
pub(crate) mod ports;
pub(crate) mod strangers;
pub(crate) mod transfer;
