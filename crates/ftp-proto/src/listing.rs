//! Listings: one format a module, each a function that appends one line.
//!
//! Lines end in CR LF in every TYPE (RFC 1123 §4.1.2.7). Names with control characters never get here: storages
//! hide them, because no listing can show them on one line. Not here: order, filters, where entries come from.

pub mod mlsx;
pub mod names;
pub mod unix;
