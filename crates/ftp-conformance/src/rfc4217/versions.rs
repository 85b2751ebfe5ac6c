//! What a server must not agree to: old versions, weak suites, compression, names that are not its own (RFC 8996;
//! RFC 9325 §3, §4; ALPACA).

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::peer::hello::{Answer, Form, Hello, try_hello};
use crate::peer::tls;

cases! {
    old_tls: ["RFC8996-4-VER-1"] Protected [Write];
    ssl: ["RFC9325-3.1.1-VER-2"] Protected [Write];
    weak_suites: ["RFC9325-4.1-VER-5"] Protected [Write];
    forward_secrecy: ["RFC9325-4.1-VER-6"] Protected;
    compression: ["RFC9325-3.3-VER-7"] Protected;
    foreign_name: ["ALPACA-SNI-SNI-5"] Protected;
}

/// ECDHE with AES-GCM and ChaCha20-Poly1305, for ECDSA and RSA certificates (RFC 9325 §4.2).
const GOOD: [u16; 6] = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8];
/// Suites that every server of the nineties had: ECDHE, DHE and RSA with CBC.
const OLD: [u16; 8] = [0xc009, 0xc013, 0xc00a, 0xc014, 0x0033, 0x0039, 0x002f, 0x0035];
/// NULL, anonymous, export, RC4.
const WEAK: [u16; 10] = [0x0001, 0x0002, 0x003b, 0x0018, 0x0034, 0x0003, 0x0006, 0x0004, 0x0005, 0xc011];

fn hello(version: u16, suites: &[u16]) -> Hello<'_> {
    Hello { version, suites, compressions: &[0], form: Form::Record }
}

/// A hello on the control connection.
async fn on_control(context: &Context, hello: Hello<'_>) -> Result<Answer, Stop> {
    let clear = context.with(|cell| cell.security = crate::axes::Security::Plain);
    let (address, implicit) = (context.address()?, context.cell.security == crate::axes::Security::Implicit);
    let stream = if implicit {
        context.connect(address).await?.map_err(|error| Stop::Broken(error.to_string()))?
    } else {
        let mut peer = clear.greet().await?;
        peer.expect("AUTH TLS", &[234]).await?;
        peer.into_socket().ok_or_else(|| Stop::Broken("no connection".to_owned()))?
    };
    try_hello(context, stream, hello).await
}

/// A hello on a data connection of an upload; the final reply is awaited too.
async fn on_data(context: &Context, peer: &mut Peer, hello: Hello<'_>) -> Result<Answer, Stop> {
    let address = peer.passive().await?;
    let stream = context.connect(address).await?;
    let stream = stream.map_err(|error| Stop::fails("a passive port", error.to_string()))?;
    peer.expect("STOR f", &[150, 125]).await?;
    let answer = try_hello(context, stream, hello).await?;
    peer.expect_reply(&[425, 426, 522, 451]).await?;
    Ok(answer)
}

/// Neither kind of connection agrees to it.
async fn refused_on_both(context: &Context, hellos: &[Hello<'_>]) -> Outcome {
    let mut peer = context.scratch().await?;
    for hello in hellos {
        let answers = [on_control(context, *hello).await?, on_data(context, &mut peer, *hello).await?];
        must!(
            !answers.iter().any(|answer| matches!(answer, Answer::Accepted { .. })),
            format!("an alert, or the end, to a hello of version {:#06x}", hello.version),
            format!("{answers:?}"),
        )?;
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn old_tls(context: Context) -> Outcome {
    refused_on_both(&context, &[hello(0x0301, &OLD), hello(0x0302, &OLD)]).await
}

async fn ssl(context: Context) -> Outcome {
    let ssl2 = Hello { form: Form::Ssl2, ..hello(0x0002, &OLD) };
    refused_on_both(&context, &[ssl2, hello(0x0300, &OLD)]).await
}

async fn weak_suites(context: Context) -> Outcome {
    refused_on_both(&context, &[hello(0x0303, &WEAK)]).await
}

async fn forward_secrecy(context: Context) -> Outcome {
    let all = [&OLD[..], &GOOD[..], &[0x009c, 0x009d]].concat();
    let answer = on_control(&context, hello(0x0303, &all)).await?;
    match answer {
        Answer::Accepted { suite, .. } => {
            must!(GOOD.contains(&suite), "ECDHE with GCM or ChaCha20", format!("suite {suite:#06x}"))
        }
        // A server of TLS 1.3 only.
        Answer::Alert(70) => Ok(()),
        other => Err(Stop::fails("a ServerHello", format!("{other:?}"))),
    }
}

async fn compression(context: Context) -> Outcome {
    let offered = Hello { compressions: &[1, 0], ..hello(0x0303, &GOOD) };
    match on_control(&context, offered).await? {
        Answer::Accepted { compression, .. } => {
            must!(compression == 0, "no compression", format!("method {compression}"))
        }
        Answer::Alert(70) => Ok(()),
        other => Err(Stop::fails("a ServerHello", format!("{other:?}"))),
    }
}

async fn foreign_name(context: Context) -> Outcome {
    let name = "unrelated.example";
    let mut peer = match Peer::open_as(context.clone(), Some(name)).await {
        Ok(peer) => peer,
        // Refused in the implicit handshake.
        Err(Stop::Fails { actual, .. }) if actual.contains("UnrecognisedName") => return Ok(()),
        Err(stop) => return Err(stop),
    };
    peer.expect_reply(&[220]).await?;
    match peer.protect().await {
        Ok(()) => {
            let leaf = peer.certificates().into_iter().next();
            must!(
                !leaf.is_some_and(|leaf| tls::is_for(&leaf, name)),
                "no certificate for that name",
                "one that is good for it"
            )
        }
        Err(Stop::Fails { actual, .. }) if actual.contains("UnrecognisedName") => Ok(()),
        Err(stop) => Err(stop),
    }
}
