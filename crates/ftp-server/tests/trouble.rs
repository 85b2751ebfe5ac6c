//! What a server knows and says of its own troubles.
#![cfg(feature = "ring")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure is the test's failure")]

mod client;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, Profile, builder_for};
use ftp_server::auth::{Account, Rights};
use ftp_server::storage::{Entries, Facts, Source, Span, Storage, StorageError, VPath, async_trait};

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
