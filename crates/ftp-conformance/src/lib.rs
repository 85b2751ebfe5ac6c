#![doc = include_str!("../README.md")]

pub mod axes;
pub mod baseline;
pub mod bench;
pub mod case;
pub mod clause;
pub mod context;
pub mod diagnose;
mod drafts;
pub mod grade;
pub mod lab;
mod mission;
pub mod peer;
pub mod plan;
pub mod registry;
pub mod report;
mod rfc2389;
mod rfc3659;
mod rfc4217;
mod rfc7151;
mod rfc959;
pub mod runner;
pub mod target;
pub mod verdict;
