//! A session keeps its promises whatever comes: see the module that checks them.
#![no_main]

#[path = "../../crates/ftp-proto/tests/promises/mod.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| promises::keep_promises(data));
