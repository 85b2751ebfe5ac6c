//! What a server knows and says of its own troubles.
#![cfg(feature = "ring")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure is the test's failure")]

mod client;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, PROFILES, Profile, builder_for, start};
use ftp_server::auth::{Account, Rights};
use ftp_server::proto::session::{Plain, Policy};
use ftp_server::storage::{Entries, Facts, Source, Span, Storage, StorageError, VPath, async_trait};
use ftp_server::{Options, ServeError};

/// A storage with a fault.
struct Faulty;

#[async_trait]
impl Storage for Faulty {
    async fn facts(&self, _: &VPath) -> Result<Facts, StorageError> {
        panic!("as a fault of the server would be")
    }

    async fn list(&self, _: &VPath) -> Result<Box<dyn Entries>, StorageError> {
        Err(StorageError::NotFound)
    }

    async fn read(&self, _: &VPath, _: Span) -> Result<Box<dyn Source>, StorageError> {
        Err(StorageError::NotFound)
    }
}

#[tokio::test]
async fn sessions_that_panicked_are_known() {
    for threads in [0, 1] {
        let builder = builder_for(Account::new(Rights::ALL, Arc::new(Faulty))).threads(threads);
        let server = builder.explicit("127.0.0.1:0".parse().unwrap()).bind().await.unwrap();
        let (address, doctor) = (server.addresses().remove(0), server.doctor());
        let serving = tokio::spawn(server.run(std::future::pending()));
        let login = || async { Client::connect_to(address, Profile::Plain).await.log_in().await };
        let mut other = login().await;
        for count in 1..=2 {
            let mut client = login().await;
            client.send("CWD a").await;
            assert!(client.try_reply().await.is_none());
            let counted = async {
                while doctor.report().panicked < count {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), counted).await.expect("it is counted");
        }
        assert_eq!(other.command("NOOP").await.0, 200, "the others go on");
        serving.abort();
    }
}

#[tokio::test]
async fn ranges_without_a_port_are_refused() {
    let reversed = std::ops::RangeInclusive::new(50_000, 40_000);
    for ports in [reversed, 0..=10] {
        let builder = builder_for(Account::new(Rights::ALL, Arc::new(Faulty))).passive_ports(ports);
        let refused = builder.explicit("127.0.0.1:0".parse().unwrap()).bind().await;
        assert!(matches!(refused, Err(ServeError::PassivePorts(..))), "{refused:?}");
    }
}

/// `Duration::MAX` is what programs that embed a server say for "never".
#[tokio::test]
async fn times_without_an_end_are_waited_for() {
    let never = Duration::MAX;
    let policy =
        Policy::default().plain(Plain::Allow).idle(never).login_time(never).accept(never).connect(never);
    let options = Options::default().stall(never).handshake(never).drain(never).login_delay(never);
    let account = Account::new(Rights::ALL, Arc::new(ftp_server::storage::MemoryStorage::new()));
    let server = start(builder_for(account).policy(policy).options(options)).await;
    for profile in PROFILES {
        let mut client = Client::login(&server, profile).await;
        assert_eq!(client.upload("STOR file", b"octets").await.0, 226);
        assert_eq!(client.download("RETR file").await.0, b"octets");
    }
}
