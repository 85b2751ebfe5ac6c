//! Many clients through few passive ports: everyone gets through, and nobody gets another's data.
#![cfg(feature = "ring")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure is the test's failure")]

mod client;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use client::{builder, start};
use ftp_server::Limits;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Clients at once.
const CLIENTS: u8 = 200;

/// A client in clear that comes from an address of its own.
struct FromHere {
    control: BufReader<TcpStream>,
    source: IpAddr,
    server: SocketAddr,
}

async fn connect(source: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    socket.connect(to).await
}

impl FromHere {
    async fn login(source: IpAddr, server: SocketAddr) -> Self {
        let control = BufReader::new(connect(source, server).await.unwrap());
        let mut me = Self { control, source, server };
        me.reply().await;
        me.ask("USER me").await;
        assert_eq!(me.ask("PASS secret").await.0, 230);
        assert_eq!(me.ask("TYPE I").await.0, 200);
        me
    }

    async fn reply(&mut self) -> (u16, String) {
        let mut line = String::new();
        tokio::time::timeout(Duration::from_secs(60), self.control.read_line(&mut line))
            .await
            .unwrap()
            .unwrap();
        (line.get(..3).unwrap_or_default().parse().unwrap(), line)
    }

    async fn ask(&mut self, line: &str) -> (u16, String) {
        self.control.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.reply().await
    }

    /// A data connection; while every port is in use the client asks again.
    async fn data(&mut self) -> TcpStream {
        for _ in 0..2000 {
            let (code, line) = self.ask("EPSV").await;
            if code == 229 {
                let port = line.split('|').nth(3).unwrap().parse().unwrap();
                return connect(self.source, (self.server.ip(), port).into()).await.unwrap();
            }
            assert_eq!(code, 425, "{line}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no port in 40 s");
    }

    async fn round_trip(&mut self, name: &str, content: &[u8]) {
        let mut data = self.data().await;
        assert_eq!(self.ask(&format!("STOR {name}")).await.0, 150);
        data.write_all(content).await.unwrap();
        data.shutdown().await.unwrap();
        drop(data);
        assert_eq!(self.reply().await.0, 226);
        let mut data = self.data().await;
        assert_eq!(self.ask(&format!("RETR {name}")).await.0, 150);
        let mut got = Vec::new();
        data.read_to_end(&mut got).await.unwrap();
        drop(data);
        assert_eq!(self.reply().await.0, 226);
        assert!(got == content, "{name} came back with {} octets of someone's", got.len());
    }
}

/// Whether a stranger knocks at every port all the while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    Away,
    Knocking,
}

/// Connects to every port, over and over, from an address that has nothing reserved.
async fn knock(server: IpAddr, ports: std::ops::RangeInclusive<u16>) {
    loop {
        for port in ports.clone() {
            // It is reset, or nobody listens; it gets nothing either way.
            if let Ok(mut stream) = connect(IpAddr::from([127, 9, 9, 9]), (server, port).into()).await {
                let mut octets = Vec::new();
                let reading = stream.read_to_end(&mut octets);
                let _end = tokio::time::timeout(Duration::from_millis(200), reading).await;
                assert!(octets.is_empty(), "a stranger got {} octets", octets.len());
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn crowd(ports: std::ops::RangeInclusive<u16>, address: fn(u8) -> IpAddr, stranger: Stranger) {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default().sessions(1000).per_address(1000);
    let server = start(builder(folder.path()).limits(limits).passive_ports(ports.clone())).await;
    let to = server.explicit;
    let knocking = tokio::spawn(async move {
        match stranger {
            Stranger::Away => std::future::pending().await,
            Stranger::Knocking => knock(to.ip(), ports).await,
        }
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(async move {
            let mut client = FromHere::login(address(number), to).await;
            let content: Arc<[u8]> = vec![number; 20_000 + usize::from(number)].into();
            client.round_trip(&format!("file-{number}"), &content).await;
        });
    }
    let mut done = 0;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
        done += 1;
    }
    assert_eq!(done, usize::from(CLIENTS));
    assert!(!knocking.is_finished(), "the stranger was served");
    knocking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_of_one_address_share_ten_ports() {
    crowd(21_500..=21_509, |_| IpAddr::from([127, 0, 0, 1]), Stranger::Away).await;
    crowd(21_510..=21_519, |_| IpAddr::from([127, 0, 0, 1]), Stranger::Knocking).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_addresses_share_ten_ports() {
    crowd(21_520..=21_529, |number| IpAddr::from([127, 0, 1, number]), Stranger::Away).await;
    crowd(21_530..=21_539, |number| IpAddr::from([127, 0, 1, number]), Stranger::Knocking).await;
}
