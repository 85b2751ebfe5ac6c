//! Every case of the benchmark does what it says, against the bound, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use ftp_conformance::axes::Security;
use ftp_conformance::bench::limit::{Limit, serve};
use ftp_conformance::bench::{Case, Settings, run};

/// The bound, on a port that was free; it ends with the test's process.
fn bound(folder: &Path) -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let limit = Limit { address, folder: folder.to_owned() };
    std::thread::spawn(move || serve(&limit).unwrap());
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    address
}

fn settings(address: SocketAddr, security: Security) -> Settings {
    Settings {
        address,
        security,
        user: "me".to_owned(),
        password: "secret".to_owned(),
        streams: 2,
        size: 300_000,
        count: 20,
        duration: Duration::from_millis(100),
        server: Some(std::process::id()),
        path: None,
    }
}

#[test]
fn every_case_counts_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let address = bound(folder.path());
    for security in [Security::Plain, Security::Explicit] {
        for case in Case::ALL {
            let figures = run(case, &settings(address, security), &|_| {}).unwrap();
            assert_eq!((figures.failed, figures.failure), (0, None), "{case} {security}");
            assert!(figures.units > 1, "{case} {security}: {} units", figures.units);
            assert!(figures.latency.p50 > 0.0 && figures.latency.p50 <= figures.latency.max, "{case}");
            assert!(figures.cpu.is_some() || case == Case::Idle, "{case}");
            let each = match case {
                Case::Get | Case::Put => 300_000,
                Case::SmallGet | Case::SmallPut | Case::Churn => 4096,
                _ => 0,
            };
            assert!(each == 0 || figures.octets == figures.units * each, "{case}: {}", figures.octets);
            assert_eq!(folder.path().read_dir().unwrap().count(), 0, "{case} {security}");
        }
    }
}

#[test]
fn other_octets_than_were_sent_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let address = bound(folder.path());
    let inside = folder.path().join(format!("ftp-bench-{}", std::process::id()));
    let spoiling = std::thread::spawn(move || {
        let file = inside.join("put-0");
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            // Spoilt as long as the case runs: what it looks at in the end is one of these.
            if std::fs::metadata(&file).is_ok() && std::fs::write(&file, b"spoilt").is_err() {
                return;
            }
        }
    });
    let settings = Settings { duration: Duration::from_millis(300), ..settings(address, Security::Plain) };
    let error = run(Case::Put, &Settings { streams: 1, ..settings }, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("other octets"), "{error}");
    drop(spoiling);
}
