//! Telnet, sequences, ABOR, STAT and SITE (RFC 959 §4.1.3, §5.4).

use std::time::Duration;

use crate::case::{Outcome, Stop, cases};
use crate::context::Context;

cases! {
    telnet_options: ["RFC1123-4.1.2.12-TEL-1"] Clear;
    telnet_interrupt: ["RFC959-4.1.3-TEL-2"] Control;
    telnet_others: ["PRAC-TEL-6"] Clear;
    never_offers_options: ["RFC3659-2.2-TEL-5"] Control;
    rnto_first: ["RFC959-5.4-SEQ-2"] Control;
    rnto_late: ["RFC959-4.1.3-SEQ-3"] Control [Write];
    rnfr_failed: ["RFC959-4.2-SEQ-4"] Control;
    rnto_failed: ["RFC959-6-SEQ-5"] Control [Write];
    rnfr_twice: ["PRAC-SEQ-6"] Control [Write];
    no_data_set_up: ["PRAC-SEQ-9"] Control;
    adat: ["RFC2228-3-SEQ-10"] Control;
    abor_alone: ["RFC959-4.1.3-ABOR-1"] Control;
    abor_closes_the_port: ["RFC2428-3-ABOR-4"] Control;
    stat_alone: ["RFC959-4.1.3-STAT-4"] Control;
    stat_missing: ["RFC959-5.4-STAT-6"] Control;
    stat_path: ["RFC959-4.1.3-STAT-5"] Control [Write];
    site: ["RFC1123-4.1.2.8-SITE-8", "RFC2577-9-SITE-9"] Control;
    format_directives: ["PRAC-INJ-4"] Control;
    urgent: ["RFC959-4.1.3-TEL-3"] Clear [Write];
    urgent_commands: ["PRAC-ABOR-11"] Clear;
}

async fn telnet_options(context: Context) -> Outcome {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let mut stream = tokio::net::TcpStream::connect(context.address()?).await.map_err(broken)?;
    stream.write_all(b"\xff\xfb\x01\xff\xfd\x03NOOP\r\n").await.map_err(broken)?;
    let mut seen = Vec::new();
    let mut octets = [0; 512];
    let place = |seen: &[u8], octets: &[u8]| seen.windows(octets.len()).position(|window| window == octets);
    let noop = |seen: &[u8]| place(seen, b"200 ").or_else(|| place(seen, b"530 "));
    while noop(&seen).is_none() {
        let count = context.in_time(stream.read(&mut octets)).await?.map_err(broken)?;
        if count == 0 {
            break;
        }
        let fresh = octets.get(..count).unwrap_or_default();
        seen.extend(context.fault.map_or(fresh.to_vec(), |fault| fault.spoil_reply(fresh)));
    }
    let refused = place(&seen, b"\xff\xfe\x01").max(place(&seen, b"\xff\xfc\x03"));
    match refused.is_some() && place(&seen, b"\xff\xfe\x01").is_some() && refused < noop(&seen) {
        true => Ok(()),
        false => Err(Stop::fails(
            "IAC DONT 1 and IAC WONT 3 before one 200",
            format!("{:?}", String::from_utf8_lossy(&seen)),
        )),
    }
}

async fn telnet_interrupt(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.send_raw(b"\xff\xf4\xff\xf2ABOR\r\n").await?;
    peer.expect_reply(&[225, 226]).await?;
    peer.send_raw(b"\xff\xf4\xff\xf2STAT\r\n").await?;
    peer.expect_reply(&[211]).await.map(drop)
}

async fn telnet_others(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.send_raw(b"\xff\xf1\xff\xf6NOOP\r\n").await?;
    peer.expect_reply(&[200]).await?;
    peer.expect_silence(Duration::from_millis(50)).await
}

async fn never_offers_options(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["FEAT", "HELP", "STAT", "PWD", "SYST"] {
        let reply = peer.expect(line, &[211, 214, 215, 257]).await?;
        let starts = |line: &Vec<u8>| line.windows(2).any(|pair| matches!(pair, [0xFF, 0xFB..=0xFE]));
        if reply.lines.iter().any(starts) {
            return Err(Stop::fails("no Telnet option from the server", reply.show()));
        }
    }
    Ok(())
}

async fn rnto_first(context: Context) -> Outcome {
    context.login().await?.expect("RNTO x", &[503]).await.map(drop)
}

async fn rnto_late(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD a", &[257]).await?;
    peer.expect("RNFR a", &[350]).await?;
    peer.expect("NOOP", &[200]).await?;
    peer.expect("RNTO b", &[503]).await?;
    peer.expect("CWD a", &[250, 200]).await.map(drop)
}

async fn rnfr_failed(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("RNFR no-such-file-here", &[550, 450]).await?;
    peer.expect("RNTO b", &[503]).await.map(drop)
}

async fn rnto_failed(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD a", &[257]).await?;
    peer.expect("RNFR a", &[350]).await?;
    peer.expect("RNTO no/such/dir/b", &[550, 553]).await?;
    peer.expect("RNTO c", &[503]).await?;
    peer.expect("CWD a", &[250, 200]).await.map(drop)
}

async fn rnfr_twice(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD a", &[257]).await?;
    peer.expect("MKD b", &[257]).await?;
    peer.expect("RNFR a", &[350]).await?;
    peer.expect("RNFR b", &[350]).await?;
    peer.expect("RNTO c", &[250]).await?;
    peer.expect("RMD c", &[250]).await?;
    peer.expect("RMD a", &[250]).await.map(drop)
}

async fn no_data_set_up(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let mut reply = peer.command("LIST").await?;
    if reply.code == 150 {
        reply = peer.reply().await?;
    }
    match reply.code {
        425 | 503 => peer.expect("NOOP", &[200]).await.map(drop),
        _ => Err(Stop::fails("425 or 503", reply.show())),
    }
}

async fn adat(context: Context) -> Outcome {
    context.secure().await?.expect("ADAT AAAA", &[503, 500, 502, 530]).await.map(drop)
}

async fn abor_alone(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("ABOR", &[225, 226]).await?;
    peer.expect_silence(Duration::from_millis(50)).await?;
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn abor_closes_the_port(context: Context) -> Outcome {
    use tokio::io::AsyncReadExt;
    let mut peer = context.login().await?;
    let address = peer.passive().await?;
    peer.expect("ABOR", &[225, 226]).await?;
    if let Ok(mut stream) = tokio::net::TcpStream::connect(address).await {
        let closed = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut [0; 16])).await;
        if closed.is_err() {
            return Err(Stop::fails("a closed port", format!("{address} takes connections")));
        }
    }
    peer.expect("LIST", &[425, 503]).await.map(drop)
}

async fn stat_alone(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    let image = peer.expect("STAT", &[211]).await?.show();
    peer.expect("TYPE A", &[200]).await?;
    let ascii = peer.expect("STAT", &[211]).await?.show();
    match image == ascii {
        true => Err(Stop::fails("a STAT that shows TYPE", ascii)),
        false => Ok(()),
    }
}

async fn stat_missing(context: Context) -> Outcome {
    context.login().await?.expect("STAT no-such-file-here", &[450, 550]).await.map(drop)
}

async fn stat_path(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("MKD inside", &[257]).await?;
    let text = peer.expect("STAT .", &[211, 212, 213]).await?.show();
    match text.contains("inside") {
        true => Ok(()),
        false => Err(Stop::fails("the entries of the directory", text)),
    }
}

async fn site(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("SITE XYZZY", &[500, 501, 502, 504]).await?;
    let reply = peer.command("SITE EXEC id").await?;
    match reply.code / 100 == 5 && !reply.show().contains("uid=") {
        true => Ok(()),
        false => Err(Stop::fails("5xx to SITE EXEC", reply.show())),
    }
}

async fn format_directives(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["CWD %n%n%s%x", "RNFR |id", "SITE %x%n", "DELE $(id)"] {
        let reply = peer.command(line).await?;
        if reply.code / 100 != 5 {
            return Err(Stop::fails(format!("5xx to {line}"), reply.show()));
        }
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}

async fn urgent(context: Context) -> Outcome {
    use tokio::io::AsyncReadExt;
    let mut peer = context.scratch().await?;
    peer.put("f", &vec![b'x'; 16 << 20]).await?;
    for is_urgent in [true, false] {
        let setup = peer.set_up().await?;
        peer.expect("RETR f", &[150, 125]).await?;
        let mut wire = peer.meet(setup).await?;
        let _some = wire.read(&mut [0; 1000]).await;
        peer.send_raw(b"\xff\xf4\xff").await?;
        // Telnet's Synch: the data mark is the urgent octet (RFC 854).
        let socket = peer.socket().map(socket2::SockRef::from);
        let sent = if is_urgent { socket.map(|socket| socket.send_out_of_band(b"\xf2")) } else { None };
        match sent {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Stop::Broken(error.to_string())),
            None => peer.send_raw(b"\xf2").await?,
        }
        peer.send("ABOR").await?;
        let first = peer.expect_reply(&[426, 226]).await?;
        peer.expect_reply(if first.code == 426 { &[226] } else { &[225, 226] }).await?;
        drop(wire);
        peer.expect("NOOP", &[200]).await?;
    }
    Ok(())
}

async fn urgent_commands(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for (line, codes) in [(&b"ABOR\r\n"[..], &[225, 226][..]), (b"STAT\r\n", &[211])] {
        let socket = peer.socket().ok_or_else(|| Stop::Broken("no connection".to_owned()))?;
        let sent = socket2::SockRef::from(socket).send_out_of_band(line);
        sent.map_err(|error| Stop::Broken(error.to_string()))?;
        peer.expect_reply(codes).await?;
    }
    peer.expect("NOOP", &[200]).await.map(drop)
}
