//! Logins beside those who guess passwords.
#![cfg(feature = "ring")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure is the test's failure")]

mod client;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, start};
use ftp_server::auth::{Account, Rights, Users};
use ftp_server::proto::session::{Plain, Policy};
use ftp_server::storage::MemoryStorage;
use ftp_server::{Builder, Options, Server};

/// Users `honest-0` to `honest-4`, whose password is `secret`.
fn builder() -> Builder {
    let account = Account::new(Rights::READ_ONLY, Arc::new(MemoryStorage::new()));
    let users = (0..5).fold(Users::new().unwrap(), |users, number| {
        users.with(&format!("honest-{number}"), "secret", account.clone()).unwrap()
    });
    Server::builder(users).policy(Policy::default().plain(Plain::Allow).attempts(1000))
}

fn here(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 3, last])
}

/// Tries to log in; how long the answer took.
async fn login(client: &mut Client, name: &str, password: &str, wanted: u16) -> Duration {
    assert_eq!(client.command(&format!("USER {name}")).await.0, 331);
    let began = Instant::now();
    assert_eq!(client.command(&format!("PASS {password}")).await.0, wanted);
    began.elapsed()
}

async fn guess(address: SocketAddr, number: usize) {
    let mut client = Client::connect_from(here(1), address).await;
    for turn in 0.. {
        login(&mut client, "root", &format!("{number} {turn}"), 530).await;
    }
}

#[tokio::test]
async fn guessers_of_one_address_do_not_hold_up_others() {
    let server = builder().options(Options::default().login_delay(Duration::ZERO)).threads(1);
    let server = server.explicit("127.0.0.1:0".parse().unwrap()).bind().await.unwrap();
    let address = server.addresses()[0];
    tokio::spawn(server.run(std::future::pending()));
    let here_all = tokio::task::LocalSet::new();
    let honest = async {
        for number in 0..100 {
            tokio::task::spawn_local(guess(address, number));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for number in 0..5 {
            let mut client = Client::connect_from(here(2), address).await;
            let took = login(&mut client, &format!("honest-{number}"), "secret", 230).await;
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
    };
    here_all.run_until(honest).await;
}

#[tokio::test]
async fn the_wait_after_a_failure_holds_for_every_connection_of_that_name_and_address() {
    let delay = Duration::from_millis(500);
    let server = start(builder().tls(client_tls()).options(Options::default().login_delay(delay))).await;
    let mut guesser = Client::connect_from(here(3), server.explicit).await;
    let mut same = Client::connect_from(here(3), server.explicit).await;
    let mut elsewhere = Client::connect_from(here(4), server.explicit).await;
    assert!(login(&mut guesser, "honest-0", "wrong", 530).await >= delay);
    assert_eq!(guesser.command("USER honest-0").await.0, 331);
    guesser.send("PASS wrong again").await;
    tokio::time::sleep(delay / 2).await;
    assert!(login(&mut elsewhere, "honest-0", "secret", 230).await < delay, "from elsewhere");
    assert!(login(&mut same, "honest-1", "secret", 230).await < delay, "with another name");
    let mut unknown = Client::connect_from(here(3), server.explicit).await;
    assert!(login(&mut unknown, "honest-0", "guessed", 530).await >= delay);
    assert_eq!(guesser.reply().await.0, 530);
}

fn client_tls() -> Arc<ftp_server::tls::Tls> {
    let (chain, key) = client::certificate();
    Arc::new(ftp_server::tls::Tls::with_ring(chain, key).unwrap())
}
