//! Connections that are closed and not let go yet: what is on its way to the client would be lost to a RST if octets that the
//! client still sends met no socket (RFC 1122 §4.2.2.13). They are read from for a moment; each costs a descriptor, so a session
//! has few of them at once.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::ports::reset;

/// How long a closed connection is read from, so that its last octets are not lost to a RST.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// Closed connections of one session that linger at once; the oldest is reset for a newer one.
const MOST: usize = 4;

/// The closed connections of a session. Whoever waits for the other end of one of these channels lets its connection go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lingering(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

impl Lingering {
    /// Closes a connection that the server has written to: what is on its way arrives, whatever the client still sends.
    pub(crate) fn close(&self, mut stream: TcpStream) {
        // Whether the end of it can be told shows in what comes back.
        let _refused = SockRef::from(&stream).shutdown(Shutdown::Write);
        let mut displaced = self.enter();
        // The places outlive the session, or its end would reset what is on its way.
        let places = self.clone();
        tokio::spawn(async move {
            let mut void = [0; 4096];
            let drain = async { while stream.read(&mut void).await.is_ok_and(|count| count > 0) {} };
            tokio::select! {
                _late = tokio::time::timeout(LINGER, drain) => {}
                _newer = &mut displaced => reset(&stream),
            }
            drop(places);
        });
    }

    /// Takes a place, if need be that of the oldest. Completes when a newer one takes this place.
    fn enter(&self) -> oneshot::Receiver<()> {
        let (sender, displaced) = oneshot::channel();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !place.is_closed());
        if places.len() >= MOST {
            places.pop_front();
        }
        places.push_back(sender);
        displaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_session_resets_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let lingering = Lingering::default();
        lingering.close(listener.accept().await.unwrap().0);
        drop(lingering);
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(SockRef::from(&client).take_error().unwrap().is_none());
    }

    #[tokio::test]
    async fn the_oldest_is_reset_for_a_newer_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lingering = Lingering::default();
        let mut clients = VecDeque::new();
        for _ in 0..=MOST {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            lingering.close(listener.accept().await.unwrap().0);
            clients.push_back(client);
        }
        let ended = async |client: &mut TcpStream| {
            let mut octets = [0; 1];
            assert_eq!(client.read(&mut octets).await.unwrap_or(0), 0);
            tokio::time::sleep(Duration::from_millis(50)).await;
            SockRef::from(&*client).take_error().unwrap()
        };
        assert!(ended(clients.front_mut().unwrap()).await.is_some(), "the oldest is reset");
        assert!(ended(clients.back_mut().unwrap()).await.is_none(), "the newest lingers");
        drop(clients);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _place = lingering.enter();
        assert_eq!(lingering.0.lock().unwrap().len(), 1, "places are given back");
    }
}
