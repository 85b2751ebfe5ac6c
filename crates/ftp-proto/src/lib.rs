#![doc = include_str!("../README.md")]

pub mod command;
pub mod data;
pub mod frame;
pub mod grammar;
pub mod listing;
pub mod reply;
pub mod value;
pub mod verb;
