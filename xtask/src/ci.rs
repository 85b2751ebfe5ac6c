//! `cargo xtask ci`: what a change has to pass, in the order in which it fails fastest.

use std::time::Instant;

use crate::run::{command, need_programs, run};
use crate::{bench, fuzz, interop, lab, tidy};

type Step = (&'static str, fn() -> Result<(), String>);

/// The steps, each with its name.
const STEPS: &[Step] = &[
    ("format", || run(&mut command("cargo", &["fmt", "--all", "--check"]))),
    ("tidy", || tidy::tidy(&tidy::Args::default())),
    // The daemon's allocator is built from C.
    ("programs", || need_programs(&[("make", "make"), ("cc", "gcc")])),
    ("lints", || {
        let args =
            ["clippy", "--workspace", "--all-targets", "--all-features", "--quiet", "--", "-D", "warnings"];
        run(&mut command("cargo", &args))
    }),
    ("each crate alone", || ALONE.iter().try_for_each(|package| alone(package))),
    ("tests", || run(&mut command("cargo", &["test", "--workspace"]))),
    ("benchmarks run", || {
        run(&mut command("cargo", &["bench", "-p", "ftp-proto", "--quiet", "--", "--test"]))
    }),
    ("docs", || {
        let args = ["doc", "--workspace", "--no-deps", "--all-features", "--quiet"];
        run(command("cargo", &args).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("fuzz smoke", fuzz::smoke),
    ("bench smoke", bench::smoke),
    ("lab smoke", lab::smoke),
    ("interop", || interop::interop(&interop::Args::default())),
];

/// Crates as others depend on them, without the features that the workspace would add.
const ALONE: &[&[&str]] = &[
    &["ftp-proto"],
    &["ftp-server", "--no-default-features"],
    &["ftp-server", "--no-default-features", "--features", "ring"],
    &["ftp-server"],
    &["ftp-conformance"],
];

fn alone(package: &[&str]) -> Result<(), String> {
    let lints = ["--lib", "--bins", "--quiet", "--", "-D", "warnings"];
    run(&mut command("cargo", &[&["clippy", "-p"], package, &lints].concat()))
}

/// Runs every step; the first that fails ends the run.
pub(crate) fn ci() -> Result<(), String> {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        println!("== {name}");
        let begun = Instant::now();
        step().map_err(|error| format!("{name}: {error}"))?;
        times.push((name, begun.elapsed()));
    }
    println!("== all steps passed");
    for (name, time) in times {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    Ok(())
}
