//! TYPE, STRU, MODE and what they do to the octets (RFC 959 §3; RFC 1123 §4.1.2).

use crate::case::{Outcome, Stop, cases};
use crate::context::Context;
use crate::peer::Peer;

cases! {
    default_type: ["RFC959-5.1-TYPE-1"] Data [Write];
    type_a: ["RFC959-4.1.2-TYPE-2"] Control;
    type_i: ["RFC1123-4.1.2.1-TYPE-3"] Control;
    type_l8: ["RFC1123-4.1.2.1-TYPE-4"] Data [Write];
    type_a_t: ["RFC1123-4.1.2.2-TYPE-5"] Control;
    type_optional: ["RFC959-3.1.1-TYPE-6"] Control;
    type_l_sizes: ["RFC959-3.1.1.4-TYPE-7"] Control;
    type_persists: ["RFC959-4.1.2-TYPE-9", "RFC1123-4.1.2.7-TYPE-10"] Data [Write];
    refused_type: ["PRAC-TYPE-11"] Data [Write];
    stru_f: ["RFC959-5.1-STRU-1"] Control;
    stru_r: ["RFC959-3.1.2-STRU-2"] Control;
    stru_p: ["RFC1123-4.1.2.3-STRU-3"] Control;
    mode_s: ["RFC959-5.1-MODE-4"] Control;
    mode_optional: ["RFC959-4.1.2-MODE-5"] Control;
    any_order: ["RFC959-4.1.2-PARAM-6"] Data [Write];
    lines_out: ["RFC959-3.1.1.1-ASC-1"] Data [Write];
    lines_in: ["RFC959-3.1.1.1-ASC-2"] Data [Write];
    text_round_trip: ["RFC959-3.1.2.3-ASC-3"] Data [Write];
    no_second_cr: ["PRAC-ASC-4"] Data [Write];
    split_pairs: ["PRAC-ASC-5"] Data [Write];
    lone_cr: ["RFC959-3.1.2.3-ASC-6"] Data [Write];
    lone_lf: ["PRAC-ASC-7"] Data [Write];
    no_line_end_added: ["PRAC-ASC-8"] Data [Write];
    last_cr: ["PRAC-ASC-9"] Data [Write];
    eight_bits: ["RFC959-3.1.1.1-ASC-10", "PRAC-ASC-11"] Data [Write];
    long_lines: ["PRAC-ASC-12"] Data [Write];
    records_out: ["RFC959-3.4.1-REC-1"] Data [Write];
    records_in: ["RFC959-3.4.1-REC-2", "RFC1123-4.1.2.4-REC-3"] Data [Write];
    blocks_out: ["RFC959-3.4.2-BLK-1", "RFC959-3.3-BLK-3"] Data [Write];
    blocks_in: ["RFC959-3.4.2-BLK-2"] Data [Write];
    block_end: ["RFC959-3.4.2-BLK-4"] Data [Write];
    suspect_data: ["RFC959-3.4.2-BLK-5"] Data [Write];
    compressed_in: ["RFC959-3.4.3-CMP-6"] Data [Write];
    compressed_out: ["RFC959-3.4.3-CMP-7"] Data [Write];
    form_goes_back: ["RFC959-4.1.2-TYPE-8"] Control;
}

fn same(wanted: &[u8], data: &[u8]) -> Outcome {
    if wanted == data {
        return Ok(());
    }
    let show = |octets: &[u8]| {
        let head = octets.get(..octets.len().min(60)).unwrap_or_default();
        format!("{} octets {:?}", octets.len(), String::from_utf8_lossy(head))
    };
    Err(Stop::fails(show(wanted), show(data)))
}

/// Puts parameters into force; one that is not offered ends the case.
async fn parameters(peer: &mut Peer, lines: &[&str]) -> Outcome {
    for line in lines {
        let reply = peer.command(line).await?;
        match reply.code {
            200 => {}
            504 | 501 | 502 | 500 => return Err(Stop::Unsupported(format!("{line}: {}", reply.show()))),
            _ => return Err(Stop::fails(format!("200 or 504 to {line}"), reply.show())),
        }
    }
    Ok(())
}

/// Stores `sent` under `up`, fetches under `down`: it has to be `wanted`.
async fn through(context: Context, up: &[&str], sent: &[u8], down: &[&str], wanted: &[u8]) -> Outcome {
    let mut peer = context.scratch().await?;
    parameters(&mut peer, up).await?;
    peer.put("file", sent).await?;
    parameters(&mut peer, down).await?;
    let data = peer.get("file").await?;
    same(wanted, &data)
}

async fn default_type(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"a\nb\n").await?;
    let path = crate::rfc959::files::place(&mut peer).await?;
    let mut fresh = context.secure().await?;
    fresh.log_in().await?;
    let data = fresh.get(&format!("{path}/f")).await?;
    same(b"a\r\nb\r\n", &data)
}

async fn type_a(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("TYPE A", &[200]).await?;
    peer.expect("TYPE A N", &[200]).await.map(drop)
}

async fn type_i(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("TYPE I", &[200]).await?;
    let status = peer.expect("STAT", &[211]).await?.show().to_ascii_lowercase();
    match status.contains("image") || status.contains("binary") {
        true => Ok(()),
        false => Err(Stop::fails("image or binary in STAT", status)),
    }
}

async fn type_l8(context: Context) -> Outcome {
    let octets: Vec<u8> = (0..=255).collect();
    through(context, &["TYPE L 8"], &octets, &["TYPE I"], &octets).await
}

async fn type_a_t(context: Context) -> Outcome {
    context.login().await?.expect("TYPE A T", &[200, 504]).await.map(drop)
}

async fn type_optional(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("TYPE E", &[200, 504]).await?;
    peer.expect("TYPE A C", &[200, 504]).await.map(drop)
}

async fn type_l_sizes(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    for line in ["TYPE L", "TYPE L 0", "TYPE L x"] {
        peer.expect(line, &[501, 504, 500]).await?;
    }
    peer.expect("TYPE L 7", &[504, 501, 500]).await?;
    peer.expect("TYPE L 36", &[504, 501, 500]).await.map(drop)
}

async fn type_persists(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"a\nb\r\n").await?;
    peer.expect("MKD d", &[257]).await?;
    peer.expect("CWD d", &[250]).await?;
    peer.listing("LIST").await?;
    for _ in 0..2 {
        let data = peer.get("../f").await?;
        same(b"a\nb\r\n", &data)?;
    }
    Ok(())
}

async fn refused_type(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"a\nb\n").await?;
    peer.expect("TYPE Q", &[501, 504, 500]).await?;
    let data = peer.get("f").await?;
    same(b"a\nb\n", &data)
}

async fn stru_f(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("STRU F", &[200]).await?;
    peer.command("STRU P").await?;
    peer.expect("STRU F", &[200]).await.map(drop)
}

async fn stru_r(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("TYPE A", &[200]).await?;
    peer.expect("STRU R", &[200, 504]).await.map(drop)
}

async fn stru_p(context: Context) -> Outcome {
    context.login().await?.expect("STRU P", &[504]).await.map(drop)
}

async fn mode_s(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("MODE S", &[200]).await?;
    peer.command("MODE X").await?;
    peer.expect("MODE S", &[200]).await.map(drop)
}

async fn mode_optional(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("MODE B", &[200, 504]).await?;
    peer.expect("MODE C", &[200, 504]).await.map(drop)
}

async fn any_order(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"a\nb\n").await?;
    let orders =
        [["TYPE I", "MODE S", "STRU F"], ["STRU F", "TYPE I", "MODE S"], ["MODE S", "STRU F", "TYPE I"]];
    for order in orders {
        peer.expect("TYPE A", &[200]).await?;
        for line in order {
            peer.expect(line, &[200]).await?;
        }
        let data = peer.get("f").await?;
        same(b"a\nb\n", &data)?;
    }
    Ok(())
}

async fn lines_out(context: Context) -> Outcome {
    through(context, &["TYPE I"], b"a\nb\n", &["TYPE A"], b"a\r\nb\r\n").await
}

async fn lines_in(context: Context) -> Outcome {
    through(context, &["TYPE A"], b"a\r\nb\r\n", &["TYPE I"], b"a\nb\n").await
}

async fn text_round_trip(context: Context) -> Outcome {
    let text: Vec<u8> =
        (0..20_000).flat_map(|line| format!("line {line} of many\r\n").into_bytes()).collect();
    through(context, &["TYPE A"], &text, &["TYPE A"], &text).await
}

async fn no_second_cr(context: Context) -> Outcome {
    through(context, &["TYPE I"], b"a\r\nb\r\n", &["TYPE A"], b"a\r\nb\r\n").await
}

async fn split_pairs(context: Context) -> Outcome {
    let mut text = Vec::new();
    for end in [1023, 1447, 4095, 8191, 16_383, 32_767, 65_535, 131_071, 262_143] {
        text.resize(end, b'x');
        text.extend_from_slice(b"\r\n");
    }
    through(context, &["TYPE A"], &text, &["TYPE A"], &text).await
}

async fn lone_cr(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.expect("TYPE A", &[200]).await?;
    peer.put("f", b"a\rb\r\n").await?;
    let data = peer.get("f").await?;
    // CR NUL is the form that Telnet has for a lone CR.
    let plain: Vec<u8> = data.split(|octet| *octet == 0).flatten().copied().collect();
    same(b"a\rb\r\n", &plain)
}

async fn lone_lf(context: Context) -> Outcome {
    through(context, &["TYPE A"], b"a\nb", &["TYPE I"], b"a\nb").await
}

async fn no_line_end_added(context: Context) -> Outcome {
    through(context, &["TYPE A"], b"abc", &["TYPE I"], b"abc").await
}

async fn last_cr(context: Context) -> Outcome {
    through(context, &["TYPE A"], b"abc\r", &["TYPE I"], b"abc\r").await
}

async fn eight_bits(context: Context) -> Outcome {
    let octets: Vec<u8> = (0..=255).filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
    through(context, &["TYPE A"], &octets, &["TYPE A"], &octets).await
}

async fn long_lines(context: Context) -> Outcome {
    let mut line = vec![b'x'; 2 << 20];
    line.extend_from_slice(b"\r\n");
    through(context, &["TYPE A"], &line, &["TYPE A"], &line).await
}

async fn records_out(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"a\nb\n").await?;
    parameters(&mut peer, &["TYPE A", "STRU R"]).await?;
    let data = peer.get("f").await?;
    match data.as_slice() {
        b"a\xff\x01b\xff\x01\xff\x02" | b"a\xff\x01b\xff\x03" => Ok(()),
        other => same(b"a\xff\x01b\xff\x01\xff\x02", other),
    }
}

async fn records_in(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    parameters(&mut peer, &["TYPE A", "STRU R"]).await?;
    peer.put("f", b"a\xff\x01b\xff\xffc\xff\x03").await?;
    parameters(&mut peer, &["STRU F"]).await?;
    let data = peer.get("f").await?;
    same(b"a\r\nb\xffc\r\n", &data)
}

/// The content of a file in MODE B, if its blocks are well formed.
fn unblock(mut wire: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut file = Vec::new();
    loop {
        let [flags, high, low, rest @ ..] = wire else {
            return Err(Stop::fails(
                "a block with the end-of-file flag",
                format!("the end after {} octets", file.len()),
            ));
        };
        let count = usize::from(u16::from_be_bytes([*high, *low]));
        let body = rest
            .get(..count)
            .ok_or_else(|| Stop::fails("a whole block", format!("{} of {count} octets", rest.len())))?;
        file.extend_from_slice(body);
        wire = rest.get(count..).unwrap_or_default();
        if flags & 64 != 0 {
            return if wire.is_empty() {
                Ok(file)
            } else {
                Err(Stop::fails("nothing behind the end of the file", format!("{} octets", wire.len())))
            };
        }
    }
}

async fn blocks_out(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content: Vec<u8> = (0..100_000u32).map(|index| (index % 253) as u8).collect();
    peer.put("f", &content).await?;
    parameters(&mut peer, &["MODE B"]).await?;
    let data = peer.get("f").await?;
    same(&content, &unblock(&data)?)
}

async fn blocks_in(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    parameters(&mut peer, &["MODE B"]).await?;
    let long = vec![b'y'; 65_535];
    let wire = [&b"\0\0\x01x\0\xff\xff"[..], &long, b"\x40\0\0"].concat();
    peer.put("f", &wire).await?;
    parameters(&mut peer, &["MODE S"]).await?;
    let data = peer.get("f").await?;
    same(&[&b"x"[..], &long].concat(), &data)
}

async fn block_end(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    parameters(&mut peer, &["MODE B"]).await?;
    let reply = peer.offer("STOR f", b"\0\0\x03abc").await?;
    match reply.code {
        426 | 451 => Ok(()),
        _ => Err(Stop::fails("426 or 451 for a file without its end", reply.show())),
    }
}

async fn suspect_data(context: Context) -> Outcome {
    through(context, &["MODE B"], b"\x20\0\x03abc\x40\0\0", &["MODE S"], b"abc").await
}

async fn compressed_in(context: Context) -> Outcome {
    through(context, &["MODE C"], b"\x03abc\x85x\xc4\0\x40", &["MODE S"], b"abcxxxxx\0\0\0\0").await
}

/// The content of a file in MODE C.
fn expand(wire: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut file = Vec::new();
    let mut octets = wire.iter().copied();
    while let Some(head) = octets.next() {
        let count = usize::from(head & 63);
        match head {
            0 => match octets.next() {
                Some(flags) if flags & 64 != 0 => return Ok(file),
                _ => {}
            },
            1..=127 => file.extend(octets.by_ref().take(usize::from(head))),
            128..=191 => {
                file.extend(octets.next().into_iter().flat_map(|octet| std::iter::repeat_n(octet, count)))
            }
            192..=255 => file.extend(std::iter::repeat_n(0, count)),
        }
    }
    Err(Stop::fails("an escaped end of file", format!("the end after {} octets", file.len())))
}

async fn compressed_out(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    let content = [&[b'a'; 500][..], b"not a run", &[0; 200], b"end"].concat();
    peer.put("f", &content).await?;
    parameters(&mut peer, &["MODE C"]).await?;
    let data = peer.get("f").await?;
    same(&content, &expand(&data)?)
}

async fn form_goes_back(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("TYPE A T", &[200, 504, 501]).await?;
    for line in ["TYPE I", "TYPE A"] {
        peer.expect(line, &[200]).await?;
    }
    let status = peer.expect("STAT", &[211]).await?.show().to_ascii_lowercase();
    match status.contains("telnet") || status.contains("image") || !status.contains("ascii") {
        true => Err(Stop::fails("ASCII without a format in STAT", status)),
        false => Ok(()),
    }
}
