//! The newtypes that commands, replies and listings are made of.
//!
//! Each is parsed once and cannot hold an illegal value, so no encoder has to check again and no CR LF can be
//! smuggled into a reply. Not here: anything that depends on the state of a session.

pub mod address;
pub mod facts;
pub mod path;
pub mod pattern;
pub mod security;
pub mod text;
pub mod time;
pub mod transfer;
