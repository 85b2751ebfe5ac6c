//! SIZE and MDTM (RFC 3659 §3, §4).

use super::{is_date, minutes};
use crate::case::{Outcome, cases, must};
use crate::context::Context;

cases! {
    size_form: ["RFC3659-4.1-SIZE-1", "RFC3659-4-SIZE-2"] Data [Write];
    size_ascii: ["RFC3659-4-SIZE-3"] Data [Write];
    size_missing: ["RFC3659-4.2-SIZE-4"] Control;
    size_argument: ["RFC3659-4.2-SIZE-5"] Control;
    size_during_upload: ["RFC3659-4-SIZE-6"] Data [Write];
    mdtm_form: ["RFC3659-3.1-MDTM-1", "RFC3659-2.3-MDTM-2"] Data [Write];
    mdtm_missing: ["RFC3659-3.2-MDTM-3"] Control;
    mdtm_digits: ["RFC3659-3.1-MDTM-4"] Control;
    mdtm_directory: ["RFC3659-3.1-MDTM-6"] Control;
}

async fn size_form(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    for size in [0, 1, 65_536] {
        peer.put("f", &vec![b'x'; size]).await?;
        let reply = peer.expect("SIZE f", &[213]).await?;
        must!(
            reply.lines.len() == 1 && reply.text() == size.to_string(),
            &format!("213 {size}"),
            reply.show(),
        )?;
    }
    Ok(())
}

async fn size_ascii(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"a\nb\nc\n").await?;
    peer.expect("TYPE A", &[200]).await?;
    let reply = peer.expect("SIZE f", &[213, 550, 504, 501]).await?;
    must!(reply.code != 213 || reply.text() == "9", "213 9, or 550", reply.show())
}

async fn size_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("SIZE no-such-file-here", &[550]).await?;
    peer.expect("SIZE /", &[550]).await.map(drop)
}

async fn size_argument(context: Context) -> Outcome {
    context.login().await?.expect("SIZE", &[501, 500]).await.map(drop)
}

async fn size_during_upload(context: Context) -> Outcome {
    use tokio::io::AsyncWriteExt;
    let (mut one, mut other) = (context.scratch().await?, context.login().await?);
    let path = crate::rfc959::files::place(&mut one).await?;
    let setup = one.set_up().await?;
    one.expect("STOR f", &[150, 125]).await?;
    let mut wire = one.meet(setup).await?;
    let _written = wire.write_all(&[b'x'; 100_000]).await;
    let _flushed = wire.flush().await;
    let reply = other.expect(&format!("SIZE {path}/f"), &[213, 550, 450]).await?;
    let size = reply.text().parse().unwrap_or(0u64);
    let _closed = wire.finish().await;
    one.expect_reply(&[226, 250]).await?;
    must!(reply.code != 213 || size <= 100_000, "no more than was sent", reply.show())
}

async fn mdtm_form(context: Context) -> Outcome {
    let mut peer = context.scratch().await?;
    peer.put("f", b"now").await?;
    let reply = peer.expect("MDTM f", &[213]).await?;
    must!(reply.lines.len() == 1 && is_date(&reply.text()), "213 and a time value", reply.show())?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let wanted = i64::try_from(now / 60 % (24 * 60)).unwrap_or(0);
    let minute = minutes(&reply.text()).map(|minutes| minutes % (24 * 60)).unwrap_or(-10_000);
    let apart = (minute - wanted).abs();
    must!(apart.min(24 * 60 - apart) <= 2, "the time of now in UTC", reply.show())
}

async fn mdtm_missing(context: Context) -> Outcome {
    let mut peer = context.login().await?;
    peer.expect("MDTM no-such-file-here", &[550]).await?;
    peer.expect("MDTM", &[501, 500]).await.map(drop)
}

async fn mdtm_digits(context: Context) -> Outcome {
    context.login().await?.expect("MDTM 20200101000000 x", &[550]).await.map(drop)
}

async fn mdtm_directory(context: Context) -> Outcome {
    context.login().await?.expect("MDTM /", &[213, 550]).await.map(drop)
}
