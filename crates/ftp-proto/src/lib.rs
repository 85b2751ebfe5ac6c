#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing)]

#[cfg(feature = "arbitrary")]
mod arbitrary;
pub mod command;
pub mod data;
pub mod frame;
pub mod grammar;
pub mod listing;
pub mod reply;
pub mod session;
pub mod value;
pub mod verb;
