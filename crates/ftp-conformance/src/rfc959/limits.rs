//! Limits of time, number and size (RFC 959 §5.4; RFC 1123 §4.1.3.2; practice).

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::Peer;
use crate::rfc959::transfer::half;
use crate::rfc2389::feature;

cases! {
    prompt_greeting: ["RFC959-5.4-GREET-2"] Clear;
    over_the_limit: ["RFC959-5.4-GREET-4", "PRAC-LIM-1"] Clear [Load, Few];
    no_unasked_reply: ["RFC1123-4.1.2.11-REPLY-13"] Control [Write, Slow];
    patient: ["RFC1123-4.1.3.2-SES-6"] Control [Slow];
    idle: ["RFC1123-4.1.3.2-SES-7"] Control [Impatient];
    busy_is_not_idle: ["PRAC-SES-8"] Control [Write, Impatient];
    stalled: ["PRAC-DAT-15"] Control [Write, Impatient];
    never_logs_in: ["PRAC-LIM-2"] Control [Impatient];
    trickle: ["PRAC-LIM-3"] Control [Impatient];
    never_shakes_hands: ["PRAC-AUTH-12"] Explicit [Impatient];
    out_of_ports: ["PRAC-PASV-13"] Control [Load, Narrow];
    range: ["PRAC-PRT-2"] Control [Load, Narrow];
    quota: ["RFC959-5.4-DAT-6", "PRAC-LIM-5"] Data [Write, Quota];
    allo_beyond: ["PRAC-ALLO-3"] Control [Quota];
    bomb: ["PRAC-DFL-6"] Control [Write, Load, Quota];
    bounded_patterns: ["PRAC-LIM-4"] Control [Write, Load];
    flood: ["PRAC-LIM-6"] Control [Load];
    storage_fails: ["RFC959-5.4-DAT-18"] Data [Write, Faulty];
    huge: ["PRAC-DAT-13"] Control [Fixtures];
    hashing_is_not_blocking: ["PRAC-HSH-12"] Control [Load, Fixtures];
}

async fn prompt_greeting(context: Context) -> Outcome {
    let mut peer = Peer::open(context).await?;
    let begun = Instant::now();
    let reply = peer.expect_reply(&[220, 120, 421]).await?;
    must!(
        reply.code == 120 || begun.elapsed() < Duration::from_secs(10),
        "a greeting, or 120, within 10 s",
        format!("{} after {:?}", reply.show(), begun.elapsed()),
    )
}

async fn over_the_limit(context: Context) -> Outcome {
    let mut earlier = Vec::new();
    for _ in 0..50 {
        let mut peer = Peer::open(context.clone()).await?;
        match peer.try_reply().await? {
            Some(reply) if reply.code == 220 => earlier.push(peer),
            Some(reply) if reply.code == 421 => {
                peer.expect_end().await?;
                must!(!earlier.is_empty(), "some sessions", "none")?;
                for peer in &mut earlier {
                    peer.expect("NOOP", &[200, 530]).await?;
                }
                return Ok(());
            }
            Some(reply) => return Err(Stop::fails("220 or 421", reply.show())),
            None => return Err(Stop::fails("421 before the end", "the end without a word")),
        }
    }
    Err(Stop::fails("421 at some number of connections from one address", "50 were served"))
}

async fn no_unasked_reply(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect_silence(Duration::from_secs(20)).await?;
    peer.put("f", b"x").await?;
    peer.get("f").await?;
    peer.expect_silence(Duration::from_secs(20)).await
}

async fn patient(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect_silence(Duration::from_secs(295)).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn idle(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let begun = Instant::now();
    peer.expect_reply(&[421]).await?;
    let waited = begun.elapsed();
    must!(waited > Duration::from_secs(1), "421 after the limit of 2 s", format!("{waited:?}"))?;
    peer.expect_end().await
}

async fn busy_is_not_idle(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let mut wire = half(&mut peer, "STOR f", b"x").await?;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        let sent = wire.write_all(b"x").await;
        sent.map_err(|error| Stop::fails("a transfer that goes on", error.to_string()))?;
    }
    wire.finish().await.map_err(|error| Stop::fails("a transfer that goes on", error.to_string()))?;
    peer.expect_reply(&[226, 250]).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn stalled(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let _wire = half(&mut peer, "STOR f", b"x").await?;
    peer.expect_reply(&[426, 425, 421]).await.map(drop)
}

async fn never_logs_in(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    for _ in 0..20 {
        match peer.try_reply_to("NOOP").await {
            Ok(Some(reply)) if matches!(reply.code, 200 | 530) => {}
            Ok(Some(reply)) if reply.code == 421 => return peer.expect_end().await,
            Ok(None) => return Ok(()),
            Ok(Some(reply)) => return Err(Stop::fails("200, 530 or 421", reply.show())),
            Err(stop) if is_gone(&stop) => return Ok(()),
            Err(stop) => return Err(stop),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(Stop::fails("the end after the limit of 3 s", "a session without a login after 10 s"))
}

/// Whether the client found the connection closed when it wanted to write.
fn is_gone(stop: &Stop) -> bool {
    matches!(stop, Stop::Fails { expected, .. } if expected == "an open control connection")
}

async fn trickle(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    for _ in 0..20 {
        match peer.send_raw(b"N").await {
            Ok(()) => {}
            Err(stop) if is_gone(&stop) => return Ok(()),
            Err(stop) => return Err(stop),
        }
        if peer.expect_silence(Duration::from_millis(500)).await.is_err() {
            return peer.expect("NOOP", &[421]).await.map(drop).or_else(|stop| closed_or(&stop));
        }
    }
    Err(Stop::fails("the end after the limit of 3 s", "a session of trickled octets after 10 s"))
}

/// A server that has closed is as good as one that says 421.
fn closed_or(stop: &Stop) -> Outcome {
    match stop {
        stop if is_gone(stop) => Ok(()),
        Stop::Fails { actual, .. } if actual == "the server closed" || actual.starts_with("421") => Ok(()),
        stop => Err(stop.clone()),
    }
}

async fn never_shakes_hands(context: Context) -> Outcome {
    let mut peer = context.greet().await?;
    let mut other = context.login().await?;
    peer.expect("AUTH TLS", &[234]).await?;
    let begun = Instant::now();
    // What comes at the end may be an alert or nothing; it is no reply.
    let ended = tokio::time::timeout(Duration::from_secs(60), peer.drain()).await;
    other.expect("NOOP", &[200, 421]).await?;
    must!(ended.is_ok(), "the end, after a limit", format!("an open connection after {:?}", begun.elapsed()))
}

async fn out_of_ports(context: Context) -> Outcome {
    let mut peers = Vec::new();
    for _ in 0..20 {
        let mut peer = context.login().await?;
        let reply = peer.command("EPSV").await?;
        match reply.code {
            229 => peers.push(peer),
            425 | 421 | 450 | 451 => {
                peer.expect("NOOP", &[200]).await?;
                return must!(!peers.is_empty(), "some ports", "none");
            }
            _ => return Err(Stop::fails("229, then 425 when no port is free", reply.show())),
        }
    }
    Err(Stop::fails("425 when no port is free", "20 sessions with a port each"))
}

async fn range(context: Context) -> Outcome {
    let mut ports = std::collections::BTreeSet::new();
    let mut peer = context.login().await?;
    for _ in 0..60 {
        let address = peer.passive().await?;
        TcpStream::connect(address)
            .await
            .map_err(|error| Stop::fails("a passive port", error.to_string()))?;
        ports.insert(address.port());
    }
    let (first, last) = (ports.first().copied().unwrap_or(0), ports.last().copied().unwrap_or(0));
    must!(
        ports.len() == 2 && last == first + 1,
        "both ports of the range, and no other",
        format!("{ports:?}"),
    )
}

async fn quota(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let (half_of_it, twice) = (vec![b'x'; 700_000], vec![b'x'; 2 << 20]);
    let over = |line: &str, reply: &crate::peer::Reply| {
        must!(matches!(reply.code, 552 | 452), format!("552 or 452 to {line}"), reply.show())
    };
    for line in ["STOR new", "STOU"] {
        let reply = peer.offer_against(line, &twice).await?;
        over(line, &reply)?;
    }
    peer.put("f", &half_of_it).await?;
    for line in ["APPE f", "STOR f"] {
        let data = if line == "APPE f" { &half_of_it } else { &twice };
        let reply = peer.offer_against(line, data).await?;
        over(line, &reply)?;
    }
    peer.expect("REST 100000", &[350]).await?;
    let reply = peer.offer_against("STOR f", &twice).await?;
    over("REST and STOR", &reply)?;
    let size = peer.expect("SIZE f", &[213]).await?.text();
    must!(
        size.parse().is_ok_and(|size: u64| (700_000..=1 << 20).contains(&size)),
        "the old file, or what fits",
        size,
    )
}

async fn allo_beyond(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("ALLO 1000", &[200, 202]).await?;
    peer.expect("ALLO 1000000000000000", &[552, 452, 451, 504, 202]).await.map(drop)
}

async fn bomb(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    match peer.command("MODE Z").await?.code {
        200 => {}
        _ => return Err(Stop::Unsupported("MODE Z".to_owned())),
    }
    let reply = peer.offer_against("STOR f", &zeros(256 << 20)).await?;
    must!(matches!(reply.code, 552 | 452 | 451), "552 or 451", reply.show())?;
    peer.expect("MODE S", &[200]).await?;
    let size = peer.command("SIZE f").await?;
    let kept = size.text().parse::<u64>().unwrap_or(0);
    must!(kept <= 1 << 20, "at most 1 MiB", size.show())
}

/// A zlib stream (RFC 1950) of so many zero octets: one block of stored length would be as long, so it is made of
/// matches of 258 octets (RFC 1951 §3.2.6: fixed Huffman codes).
fn zeros(count: usize) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let (mut bits, mut filled) = (0u32, 0u32);
    // Bits of a code go in from its most significant one, all others from the least.
    let mut put = |out: &mut Vec<u8>, value: u32, length: u32| {
        bits |= value << filled;
        filled += length;
        while filled >= 8 {
            out.push(u8::try_from(bits & 0xff).unwrap_or(0));
            bits >>= 8;
            filled -= 8;
        }
    };
    put(&mut out, 0b011, 3);
    // Literal 0 is 00110000; its reverse is the same with the bits turned round.
    put(&mut out, 0b0000_1100, 8);
    let mut left = count.saturating_sub(1);
    while left >= 258 {
        // Length code 285 is 11000101, distance code 0 is 00000.
        put(&mut out, 0b1010_0011, 8);
        put(&mut out, 0, 5);
        left -= 258;
    }
    (0..left).for_each(|_| put(&mut out, 0b0000_1100, 8));
    put(&mut out, 0, 7);
    put(&mut out, 0, 7);
    // Adler-32 of n zeros: low half 1, high half n modulo 65521.
    let high = u32::try_from(count % 65_521).unwrap_or(0);
    out.extend_from_slice(&((high << 16) | 1).to_be_bytes());
    out
}

async fn bounded_patterns(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for depth in ["a", "a/b", "a/b/c"] {
        peer.expect(&format!("MKD {depth}"), &[257]).await?;
    }
    for line in ["LIST */../*/../*/../*/../*", "LIST -R", "NLST ../*/../*/../*"] {
        let begun = Instant::now();
        let (_, reply) = peer.fetch(line).await?;
        must!(
            begun.elapsed() < Duration::from_secs(60)
                && matches!(reply.code, 226 | 250 | 450 | 501 | 550 | 553),
            format!("an end of {line} within 60 s"),
            reply.show(),
        )?;
    }
    Ok(())
}

async fn flood(context: Context) -> Outcome {
    let mut peer = context.secure().await?;
    for count in 0..2000 {
        match peer.try_reply_to("XYZZY").await {
            Ok(Some(reply)) if matches!(reply.code, 500 | 502 | 530) => {}
            Ok(Some(reply)) if reply.code == 421 => {
                return must!(count > 3, "421 after some errors", format!("421 after {count}"));
            }
            Ok(None) => return Ok(()),
            Ok(Some(reply)) => return Err(Stop::fails("500, or 421", reply.show())),
            Err(stop) if is_gone(&stop) => return Ok(()),
            Err(stop) => return Err(stop),
        }
    }
    Err(Stop::fails("421 after some number of errors", "2000 were answered"))
}

async fn storage_fails(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let data = vec![b'x'; 3 << 20];
    let reply = peer.offer_against("STOR f", &data).await?;
    must!(matches!(reply.code, 451 | 452 | 551 | 552), "451 to STOR", reply.show())?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect("CWD /fixtures", &[250]).await?;
    let (_, reply) = peer.fetch_against("RETR huge").await?;
    must!(matches!(reply.code, 451 | 551 | 426), "451 or 551 to RETR", reply.show())?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn huge(context: Context) -> Outcome {
    use crate::target::fixtures::{HUGE, HUGE_TAIL};
    let mut peer = context.login().await?;
    peer.expect("CWD /fixtures", &[250]).await?;
    let size = peer.expect("SIZE huge", &[213]).await?.text();
    must!(size == HUGE.to_string(), HUGE.to_string(), size)?;
    peer.expect(&format!("REST {}", HUGE - HUGE_TAIL.len() as u64), &[350]).await?;
    let tail = peer.get("huge").await?;
    must!(tail == HUGE_TAIL, String::from_utf8_lossy(HUGE_TAIL), String::from_utf8_lossy(&tail))?;
    let lines = peer.listing("LIST").await?;
    let line = lines.iter().find(|line| line.ends_with(" huge")).cloned().unwrap_or_default();
    must!(line.contains(&HUGE.to_string()), format!("{HUGE} in LIST"), line)
}

async fn hashing_is_not_blocking(context: Context) -> Outcome {
    let (mut busy, mut other) = (context.login().await?, context.login().await?);
    feature(&mut busy, "HASH").await?;
    busy.expect("CWD /fixtures", &[250]).await?;
    busy.send("HASH huge").await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    other.expect("NOOP", &[200]).await?;
    must!(begun.elapsed() < Duration::from_secs(1), "NOOP within 1 s", format!("{:?}", begun.elapsed()))?;
    // The client leaves; the session that follows at once is served as ever.
    drop(busy);
    context.login().await?.expect("NOOP", &[200]).await.map(drop)
}
