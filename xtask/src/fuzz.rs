//! `cargo fuzz` although the crates are pinned to a stable toolchain.
//!
//! `.cargo/config.toml` makes `cargo fuzz` an alias of this task, which starts the real `cargo-fuzz` with a nightly
//! toolchain and the dictionary.

use crate::run::{command, has, root, run};

/// The targets, in the order in which `smoke` runs them.
const TARGETS: [&str; 7] = ["parser", "reply", "framer", "session", "listing", "data", "path"];

/// Seconds that each target gets in `smoke`.
const SMOKE_SECONDS: u32 = 5;

/// `run parser`, `run parser -- -max_total_time=60`, `list`, `cmin parser` and so on, as for cargo-fuzz; or `smoke`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What cargo-fuzz is given, or `smoke`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn fuzz(args: &Args) -> Result<(), String> {
    match args.args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Err(format!("which target? cargo fuzz run {}", TARGETS.join("|"))),
        ["smoke"] => smoke(),
        given => cargo_fuzz(given),
    }
}

fn cargo_fuzz(given: &[&str]) -> Result<(), String> {
    if !has("cargo-fuzz", &["--version"]) {
        return Err("cargo-fuzz is not installed: cargo install cargo-fuzz --locked".to_owned());
    }
    if !has("rustup", &["run", "nightly", "rustc", "--version"]) {
        return Err("fuzzing needs a nightly toolchain: rustup toolchain install nightly".to_owned());
    }
    let mut args: Vec<&str> = vec!["run", "nightly", "cargo-fuzz", "fuzz"];
    args.extend(given);
    // The dictionary goes where libFuzzer's own options go.
    let dictionary = format!("-dict={}", root().join("fuzz/ftp.dict").display());
    if given.first() == Some(&"run") {
        if !given.contains(&"--") {
            args.push("--");
        }
        args.push(&dictionary);
    }
    run(&mut command("rustup", &args))
}

/// Every target for a few seconds.
pub(crate) fn smoke() -> Result<(), String> {
    if !has("cargo-fuzz", &["--version"]) {
        println!("installing cargo-fuzz");
        run(&mut command("cargo", &["install", "cargo-fuzz", "--locked", "--quiet"]))?;
    }
    let time = format!("-max_total_time={SMOKE_SECONDS}");
    cargo_fuzz(&["build"])?;
    TARGETS.iter().try_for_each(|target| {
        println!("fuzzing {target} for {SMOKE_SECONDS} s");
        cargo_fuzz(&["run", target, "--", &time, "-verbosity=0", "-print_final_stats=0"])
    })
}
