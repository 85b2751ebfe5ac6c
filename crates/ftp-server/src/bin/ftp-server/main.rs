//! The daemon: `ftp-server serve`, `check`, `doctor`, `hash-password`.

use std::process::ExitCode;

use clap::Parser;

mod check;
mod cli;
mod doctor;
mod hash;
mod identity;
mod serve;
mod settings;
mod sweep;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::serve(&args),
        Command::Check(args) => check::check(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::HashPassword => hash::hash_password(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ftp-server: {error}");
            ExitCode::from(2)
        }
    }
}
