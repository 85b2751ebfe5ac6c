//! TLS sessions and their reuse, REIN and CCC, certificates of both kinds of connection (RFC 4217 §5, §10.2, §13,
//! §15).

use rustls::pki_types::CertificateDer;
use tokio::io::AsyncReadExt;

use crate::axes::{Ticket, Way};
use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::peer::control::Protected;
use crate::peer::tls::{self, Show};
use crate::peer::wire::Wire;

cases! {
    tickets: ["PRAC-RES-2", "PRAC-RES-3"] Tickets [Write];
    reuse_is_demanded: ["RFC4217-10.2-RES-1"] Protected [Write, Resume];
    foreign_proof: ["PRAC-RES-4"] Protected [Write, Second, Resume];
    rein_demands_nothing: ["RFC4217-13-RES-5"] Explicit [Resume];
    rein: ["RFC4217-13-TREIN-1"] Explicit;
    rein_level: ["RFC4217-9-PROT-11"] Explicit [Write];
    ccc: ["RFC4217-5-CCC-3"] Protected [Ccc];
    ccc_level: ["RFC4217-5-CCC-4"] Protected [Ccc];
    server_is_server: ["RFC4217-7-TDAT-2"] Protected [Write];
    same_certificate: ["RFC4217-15.1.1-TDAT-9"] Protected;
    names: ["PRAC-TDAT-10"] Protected;
    data_alpn: ["PRAC-ALP-8"] Protected [Write];
    chain: ["PRAC-VER-9"] Protected;
}

/// Gives `peer` the sessions that its cell asks for.
async fn prepare(peer: &mut Peer) -> Outcome {
    match peer.context.cell.ticket {
        Some(Ticket::Foreign) => {
            let mut other = peer.context.login().await?;
            other.expect("NOOP", &[200]).await?;
            peer.tickets.steal(&other.tickets);
        }
        Some(Ticket::None | Ticket::Reuse | Ticket::Same) | None => {}
    }
    Ok(())
}

/// One transfer in the cell's way; what came back, for downloads and listings.
async fn transfer(peer: &mut Peer) -> Result<u16, Stop> {
    let (wanted, (data, reply)) = match peer.context.cell.way {
        Some(Way::Up) => {
            let reply = peer.offer_against("STOR f", b"again").await?;
            (&b""[..], (Vec::new(), reply))
        }
        Some(Way::List) => (&b"f\r\n"[..], peer.fetch_against("NLST").await?),
        Some(Way::Down) | None => (&b"again"[..], peer.fetch_against("RETR f").await?),
    };
    if reply.code == 226 {
        must!(data == wanted, String::from_utf8_lossy(wanted), String::from_utf8_lossy(&data))?;
    }
    Ok(reply.code)
}

async fn tickets(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    if context.cell.ticket == Some(Ticket::None) {
        // A server may expect a client that has resumed once to go on.
        peer.tickets.show(Show::Nothing);
    }
    peer.put("f", b"again").await?;
    prepare(&mut peer).await?;
    for round in 0..8 {
        let code = transfer(&mut peer).await?;
        let refusal = matches!(code, 425 | 426 | 522);
        match context.cell.ticket {
            // A server may demand reuse; the next cells say whether it then takes it.
            Some(Ticket::None) if refusal && round == 0 => {
                return Err(Stop::Unsupported("full handshakes on data connections".to_owned()));
            }
            // It may take another session's ticket for a full handshake, or refuse it.
            Some(Ticket::Foreign) if refusal => break,
            _ => {
                must!(matches!(code, 226 | 250), format!("226 in transfer {}", round + 1), code.to_string())?
            }
        }
    }
    peer.expect("NOOP", &[200]).await?;
    // The upload is there in full, or the old file is.
    peer.tickets.show(Show::Newest);
    let size = peer.expect("SIZE f", &[213]).await?.text();
    must!(size == "5", "213 5", size)
}

async fn reuse_is_demanded(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"resumed").await?;
    peer.tickets.show(Show::Nothing);
    let reply = peer.offer_against("STOR f", b"not resumed").await?;
    must!(matches!(reply.code, 522 | 425), "522 to a full handshake", reply.show())?;
    peer.tickets.show(Show::Newest);
    let data = peer.get("f").await?;
    must!(data == b"resumed", "resumed", String::from_utf8_lossy(&data))
}

async fn foreign_proof(context: Context) -> Outcome {
    let second = context.second()?.clone();
    let mut peer = context.scratch().await?;
    peer.put("f", b"own").await?;
    let mut other = context.secure().await?;
    other.log_in_as(&second).await?;
    peer.tickets.steal(&other.tickets);
    let reply = peer.offer_against("STOR f", b"foreign").await?;
    if context.cell.version == crate::axes::Version::Tls12 && reply.code == 226 {
        return Err(Stop::Unsupported("telling sessions of TLS 1.2 apart".to_owned()));
    }
    must!(matches!(reply.code, 522 | 425), "522 to another user's session", reply.show())?;
    peer.expect("SIZE f", &[213]).await.map(drop)
}

/// REIN, and TLS anew.
async fn reborn(context: &Context) -> Result<Peer, Stop> {
    let mut peer = context.login().await?;
    let reply = peer.command("REIN").await?;
    if reply.code != 220 {
        return Err(Stop::Unsupported(format!("REIN: {}", reply.show())));
    }
    peer.unsecure().await?;
    Ok(peer)
}

async fn rein_demands_nothing(context: Context) -> Outcome {
    let mut peer = reborn(&context).await?;
    peer.tickets.show(Show::Nothing);
    peer.expect("AUTH TLS", &[234]).await?;
    peer.secure().await?;
    peer.expect("PBSZ 0", &[200]).await?;
    peer.expect("PROT P", &[200]).await?;
    peer.log_in().await?;
    // The new session has tickets of its own, which may be demanded; those from before may not.
    peer.tickets.show(Show::Newest);
    peer.listing("LIST").await.map(drop)
}

async fn rein(context: Context) -> Outcome {
    let mut peer = reborn(&context).await?;
    peer.expect("NOOP", &[200, 530]).await?;
    peer.protect().await?;
    peer.log_in().await?;
    peer.listing("LIST").await.map(drop)
}

async fn rein_level(context: Context) -> Outcome {
    let mut peer = reborn(&context).await?;
    peer.expect("AUTH TLS", &[234]).await?;
    peer.secure().await?;
    peer.expect("PROT P", &[503]).await?;
    peer.log_in().await?;
    peer.protected = Protected::No;
    let (_, reply) = peer.fetch("LIST").await?;
    must!(matches!(reply.code, 226 | 521 | 522 | 534), "a listing in clear, or 521", reply.show())
}

/// A session after CCC.
async fn cleared(context: &Context) -> Result<Peer, Stop> {
    let mut peer = context.scratch().await?;
    peer.put("f", b"still protected").await?;
    let reply = peer.command("CCC").await?;
    if reply.code != 200 {
        return Err(Stop::Unsupported(format!("CCC: {}", reply.show())));
    }
    peer.unsecure().await?;
    Ok(peer)
}

async fn ccc(context: Context) -> Outcome {
    let mut peer = cleared(&context).await?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect("PWD", &[257]).await.map(drop)
}

async fn ccc_level(context: Context) -> Outcome {
    let mut peer = cleared(&context).await?;
    for line in ["PROT C", "PBSZ 0"] {
        let reply = peer.command(line).await?;
        must!(reply.code / 100 == 5, format!("5xx to {line} after CCC"), reply.show())?;
    }
    let data = peer.get("f").await?;
    must!(data == b"still protected", "still protected", String::from_utf8_lossy(&data))
}

async fn server_is_server(context: Context) -> Outcome {
    let mut peer = context.with(|cell| cell.data = crate::axes::Data::Port).scratch().await?;
    peer.put("f", b"the server shakes as a server").await?;
    let data = peer.get("f").await?;
    must!(data == b"the server shakes as a server", "the file", String::from_utf8_lossy(&data))
}

/// The certificates that the server shows on the data connection of a listing.
async fn listed(peer: &mut Peer) -> Result<Vec<CertificateDer<'static>>, Stop> {
    let setup = peer.set_up().await?;
    peer.expect("LIST", &[150, 125]).await?;
    let mut wire = peer.meet(setup).await?;
    let mut data = Vec::new();
    let read = peer.context.in_time(wire.read_to_end(&mut data)).await?;
    read.map_err(|error| Stop::fails("a clean end of the data", error.to_string()))?;
    let Wire::Tls(stream) = wire else { return Err(Stop::Broken("not in TLS".to_owned())) };
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    drop(stream);
    peer.expect_reply(&[226, 250]).await?;
    Ok(shown)
}

async fn same_certificate(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.tickets.show(Show::Nothing);
    let shown = listed(&mut peer).await?;
    must!(
        shown.first() == peer.certificates().first() && !shown.is_empty(),
        "the certificate of the control connection",
        "another one",
    )
}

async fn names(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    // A server may expect a client that has resumed once to go on, and tickets are kept by name.
    peer.tickets.show(Show::Nothing);
    peer.listing("LIST").await?;
    peer.server_name = "127.0.0.1";
    peer.listing("LIST").await?;
    peer.indicate_nothing();
    peer.listing("LIST").await.map(drop)
}

async fn data_alpn(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for (offered, must_work) in
        [(&[][..], true), (&[&b"ftp"[..]][..], true), (&[&b"ftp-data"[..]][..], false)]
    {
        peer.offer_alpn(offered)?;
        let reply = peer.offer_against("STOR f", b"x").await?;
        must!(
            matches!(reply.code, 226 | 250) || !must_work && matches!(reply.code, 425 | 426 | 522),
            "a transfer, or a refusal of ftp-data",
            reply.show(),
        )?;
        peer.expect("NOOP", &[200]).await?;
    }
    Ok(())
}

async fn chain(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    peer.expect("NOOP", &[200, 530]).await?;
    let chain = peer.certificates();
    let wrong = tls::complaint(&chain, &context.server.host);
    must!(wrong.is_none(), format!("a chain for {}", context.server.host), wrong.unwrap_or_default())?;
    // A download shows that what was verified is what is used.
    peer.log_in().await?;
    peer.listing("LIST").await.map(drop)
}
