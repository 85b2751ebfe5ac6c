//! The daemon: `ftp-server serve`, `check`, `doctor`, `hash-password`.
// A stream that is closed would be a panic; `log.rs` has what is none.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use clap::Parser;

mod answering;
mod check;
mod cli;
mod doctor;
mod hash;
mod identity;
mod log;
mod named;
mod partial;
mod plan;
mod reload;
mod serve;
mod settings;
mod signals;
mod sweep;

use cli::{Cli, Command};

/// Memory goes back to the system within seconds of being free: glibc's arenas keep what large buffers have torn.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::serve(&args),
        Command::Check(args) => check::check(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Partial(what) => partial::partial(&what),
        Command::HashPassword => hash::hash_password(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            log::complain!("ftp-server: {error}");
            ExitCode::from(2)
        }
    }
}
