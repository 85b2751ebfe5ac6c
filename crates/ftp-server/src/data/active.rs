//! Active mode: the server connects to the client, from the address of the control connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ftp_proto::session::DataFault;
use ftp_proto::value::text::Text;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

/// Connects from the address of `local` to `to`, with a time limit of its own: the kernel's is over two minutes.
pub(crate) async fn dial(
    local: SocketAddr,
    to: SocketAddr,
    mss: Option<u32>,
    within: Duration,
) -> Result<TcpStream, DataFault> {
    let socket = open(local, to, mss).map_err(|error| DataFault::NoSocket(Text::clean(error.to_string())))?;
    match tokio::time::timeout(within, socket.connect(to)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(DataFault::Refused(to)),
        Ok(Err(error)) => Err(DataFault::Unreachable(to, Text::clean(error.to_string()))),
        Err(_) => Err(DataFault::TimedOut(to, within)),
    }
}

/// A socket with the options of an active connection.
fn open(mut local: SocketAddr, to: SocketAddr, mss: Option<u32>) -> io::Result<TcpSocket> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(mss) = mss {
        SockRef::from(&socket).set_tcp_mss(mss)?;
    }
    local.set_port(0);
    socket.bind(local)?;
    Ok(socket)
}
