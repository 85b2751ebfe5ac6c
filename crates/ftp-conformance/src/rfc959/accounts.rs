//! Accounts and passwords (RFC 959 §4.1.1; RFC 2577 §5, §7).

use std::time::{Duration, Instant};

use crate::case::{Outcome, Stop, cases, must};
use crate::context::Context;
use crate::peer::{Peer, Reply};
use crate::rfc959::files::place;

cases! {
    user_after_login: ["RFC959-4.1.1-LOG-4"] Control [Second];
    parameters_stay: ["RFC959-4.1.1-LOG-5"] Control [Write, Second];
    every_octet: ["PRAC-LOG-11"] Control [Lockout, Second];
    anonymous: ["PRAC-LOG-13"] Control [Anonymous];
    delayed: ["RFC2577-5-PWD-2"] Protected [Lockout, Strict];
    in_parallel: ["PRAC-PWD-3"] Protected [Lockout, Load, Strict];
    others_get_in: ["PRAC-PWD-4"] Control [Lockout, Second, SecondAddress];
    alike_in_time: ["PRAC-USR-2"] Control [Lockout, Load];
    alike_in_words: ["PRAC-USR-3"] Control [Lockout, Second];
}

/// USER and PASS; the last reply.
async fn try_login(peer: &mut Peer, user: &str, password: &str) -> Result<Reply, Stop> {
    let reply = peer.command(&format!("USER {user}")).await?;
    if reply.code == 331 { peer.command(&format!("PASS {password}")).await } else { Ok(reply) }
}

async fn user_after_login(context: Context) -> Outcome {
    let second = context.second()?.clone();
    let mut peer = context.scratch().await?;
    let own = place(&mut peer).await?;
    let reply = peer.expect(&format!("USER {}", second.user), &[331, 503, 530, 500]).await?;
    if reply.code != 331 {
        let now = place(&mut peer).await?;
        return must!(now == own, "the first login as it was", now);
    }
    for line in ["PWD", "CWD /", "MKD x"] {
        peer.expect(line, &[530, 503]).await?;
    }
    peer.expect(&format!("PASS {}", second.password), &[230]).await?;
    // The other account has a root of its own, in which there is no such directory.
    peer.expect(&format!("CWD {own}"), &[550]).await.map(drop)
}

async fn parameters_stay(context: Context) -> Outcome {
    let second = context.second()?.clone();
    let mut peer = context.login().await?;
    let reply = peer.command(&format!("USER {}", second.user)).await?;
    if reply.code != 331 {
        return Err(Stop::Unsupported(format!("a new login within a session: {}", reply.show())));
    }
    peer.expect(&format!("PASS {}", second.password), &[230]).await?;
    let name = format!("image-{}", context.cell.to_string().replace(' ', "-"));
    peer.put(&name, b"a\nb\n").await?;
    let data = peer.get(&name).await?;
    peer.expect(&format!("DELE {name}"), &[250]).await?;
    must!(
        data == b"a\nb\n",
        "TYPE I as before the login: a LF b LF",
        format!("{:?}", String::from_utf8_lossy(&data))
    )
}

async fn every_octet(context: Context) -> Outcome {
    let second = context.second()?.clone();
    let mut peer = context.secure().await?;
    for wrong in
        [format!("{}x", second.password), second.password.to_uppercase(), format!(" {}", second.password)]
    {
        if wrong != second.password {
            let reply = try_login(&mut peer, &second.user, &wrong).await?;
            must!(
                matches!(reply.code, 530 | 421),
                "530 to a password with an octet more or less",
                reply.show()
            )?;
            // Some servers close after a few failures; each attempt has a connection of its own.
            peer = context.secure().await?;
        }
    }
    let trimmed = second.password.trim();
    if trimmed != second.password {
        let reply = try_login(&mut peer, &second.user, trimmed).await?;
        must!(reply.code == 530, "530 to the password without its blanks", reply.show())?;
    }
    peer.log_in_as(&second).await
}

async fn anonymous(context: Context) -> Outcome {
    for name in ["anonymous", "ftp"] {
        let mut peer = context.secure().await?;
        let reply = try_login(&mut peer, name, "guest@example.org").await?;
        must!(reply.code == 230, format!("230 to {name}"), reply.show())?;
        peer.expect("TYPE I", &[200]).await?;
        let reply = peer.offer("STOR uploaded", b"x").await?;
        must!(matches!(reply.code, 550 | 553 | 532), "550 or 553 to STOR", reply.show())?;
    }
    Ok(())
}

async fn delayed(context: Context) -> Outcome {
    let (user, _) = context.account();
    let mut peer = context.secure().await?;
    let mut quick = context.secure().await?;
    let begun = Instant::now();
    peer.expect(&format!("USER {user}"), &[331]).await?;
    peer.send("PASS certainly-wrong").await?;
    quick.expect("NOOP", &[200, 530]).await?;
    let other = begun.elapsed();
    peer.expect_reply(&[530, 421]).await?;
    let own = begun.elapsed();
    must!(
        own >= Duration::from_secs(1) && other < Duration::from_millis(500),
        "a second or more for the wrong password, nothing for the others",
        format!("{own:?}, and {other:?} for another session"),
    )
}

async fn in_parallel(context: Context) -> Outcome {
    let (user, _) = context.account();
    let begun = Instant::now();
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (context, user) = (context.clone(), user.clone());
        attempts.spawn(async move {
            let mut peer = context.secure().await?;
            try_login(&mut peer, &user, "certainly-wrong").await
        });
    }
    let mut answered = 0;
    while let Some(reply) = attempts.join_next().await {
        let reply = reply.map_err(|error| Stop::Broken(error.to_string()))?;
        // A server may refuse the connection, answer 421, or answer 530.
        if let Ok(reply) = reply {
            must!(matches!(reply.code, 530 | 421), "530 or 421", reply.show())?;
            answered += usize::from(reply.code == 530);
        }
    }
    let rate = f64::from(u32::try_from(answered).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    must!(
        rate < 10.0,
        "fewer than 10 guesses a second, however many connections",
        format!("{rate:.0} a second")
    )
}

async fn others_get_in(context: Context) -> Outcome {
    let second = context.second()?.clone();
    let (user, _) = context.account();
    let mut peer = context.secure().await?;
    for _ in 0..3 {
        let Some(reply) = peer.try_reply_to(&format!("USER {user}")).await? else { break };
        if reply.code != 331
            || peer.try_reply_to("PASS certainly-wrong").await?.is_none_or(|reply| reply.code != 530)
        {
            break;
        }
    }
    context.from_elsewhere().secure().await?.log_in_as(&second).await
}

/// How long the answer to a wrong password takes.
async fn time(context: &Context, user: &str) -> Result<Duration, Stop> {
    let mut peer = context.secure().await?;
    let begun = Instant::now();
    try_login(&mut peer, user, "certainly-wrong").await?;
    Ok(begun.elapsed())
}

async fn alike_in_time(context: Context) -> Outcome {
    let (user, _) = context.account();
    let mut ratios = Vec::new();
    // Pairs, one after the other: delays grow with each failure, and a busy machine blurs both alike.
    for _ in 0..7 {
        let (known, unknown) = (time(&context, &user).await?, time(&context, "no-such-user-here").await?);
        ratios.push(known.as_secs_f64() / unknown.as_secs_f64().max(1e-6));
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.get(ratios.len() / 2).copied().unwrap_or(1.0);
    let alike = (0.33..3.0).contains(&ratio);
    let reply = try_login(&mut context.secure().await?, "no-such-user-here", "certainly-wrong").await?;
    must!(matches!(reply.code, 530 | 421), "530", reply.show())?;
    must!(alike, "the same time for known and unknown users", format!("a factor of {ratio:.1} between them"))
}

async fn alike_in_words(context: Context) -> Outcome {
    let second = context.second()?.clone();
    let (user, _) = context.account();
    let mut seen: Vec<String> = Vec::new();
    for name in [user.as_str(), second.user.as_str(), "no-such-user-here"] {
        let mut peer = context.secure().await?;
        let first = peer.command(&format!("USER {name}")).await?;
        must!(matches!(first.code, 331 | 530), "331 or 530", first.show())?;
        let last = peer.command("PASS certainly-wrong").await?;
        must!(matches!(last.code, 530 | 421), "530", last.show())?;
        seen.push(format!("{} / {}", first.show(), last.show()).replace(name, "…"));
    }
    seen.dedup();
    must!(seen.len() == 1, "the same replies for every user", seen.join(" // "))
}
