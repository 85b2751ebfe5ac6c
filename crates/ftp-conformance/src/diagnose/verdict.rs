//! From symptoms to causes: a table, in the order in which one hides the next.

use serde::Serialize;

use crate::axes::Security;
use crate::diagnose::{Connect, Control, Seen, Taken, Transfer, is_private};

/// What is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nothing: passive transfers work in both directions.
    Works,
    /// The control port cannot be reached.
    ControlClosed,
    /// Connected, and nothing says 220.
    NoGreeting,
    /// TLS hangs where clear text works.
    TlsBlocked,
    /// TLS fails.
    TlsFails,
    /// The login is refused.
    NoLogin,
    /// Passive ports are dropped on the way.
    RangeFiltered,
    /// Passive ports are refused on the way.
    RangeRefused,
    /// A router prohibits passive ports.
    RangeProhibited,
    /// Some passive ports are open.
    RangePartly,
    /// A load balancer spreads data connections over nodes.
    Spread,
    /// Data connections reach the server from another address.
    NatPool,
    /// Something else than the server takes data connections.
    Intercepted,
    /// Data connections stand and carry nothing.
    PayloadDropped,
    /// Small things get through and big ones do not.
    PacketsTooBig,
    /// PASV announces a private address.
    PasvPrivate,
    /// The server's NAT does not forward passive ports.
    ForwardMissing,
    /// PASV announces another public address.
    PasvStale,
    /// PASV does not work over IPv6.
    PasvOverIpv6,
    /// What works does so by a helper that cannot look into TLS.
    HelperBlinded,
    /// Active mode works by a helper.
    Helper,
    /// Active mode cannot reach a client behind NAT.
    ClientNat,
    /// Active connections are blocked.
    ActiveBlocked,
    /// The control connection dies when it is quiet.
    ControlExpires,
    /// Data connections have to resume the TLS session.
    ReuseDemanded,
    /// The TLS handshake on data connections fails.
    DataHandshakeFails,
    /// A failed upload leaves an empty file.
    Truncates,
    /// The server refuses what was asked.
    Refused,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub cause: Cause,
    /// What was seen that says so.
    pub because: String,
}

impl Finding {
    fn new(cause: Cause, because: impl Into<String>) -> Self {
        Self { cause, because: because.into() }
    }
}

/// Everything that the observations say, what matters most first.
#[must_use]
pub fn verdict(seen: &[Seen]) -> Vec<Finding> {
    let clear = seen.iter().find(|seen| seen.security == Security::Plain && is_in(seen));
    let secure = seen.iter().find(|seen| seen.security != Security::Plain && is_in(seen));
    let mut found = Vec::new();
    if let Some(hung) = seen.iter().find(|seen| seen.control == Control::TlsHangs) {
        let because = format!(
            "the TLS handshake hangs ({}){}",
            hung.security,
            if clear.is_some() { ", and clear text works" } else { "" }
        );
        found.push(Finding::new(Cause::TlsBlocked, because));
    }
    let Some(main) = secure.or(clear) else {
        found.extend(seen.iter().filter_map(control));
        return found;
    };
    // One port in clear may be an accident, such as a segment that was lost twice.
    let in_clear = clear.map(|clear| passive(clear).filter(|found| !is_partly(found) || clear.closed() > 1));
    match (passive(main), in_clear) {
        // In TLS even a small transfer begins with a big handshake.
        (Some(hung), Some(Some(stalled)))
            if hung.cause == Cause::PayloadDropped && stalled.cause == Cause::PacketsTooBig =>
        {
            found.push(stalled);
        }
        // A range that is partly open may show this profile ports of one kind, and the other both.
        (None, Some(Some(partly))) if is_partly(&partly) => found.push(partly),
        (Some(_), Some(Some(partly)))
            if is_partly(&partly)
                && main.open() == 0
                && clear.is_some_and(|clear| clear.open() <= clear.closed()) =>
        {
            found.push(partly);
        }
        (Some(partly), Some(None)) if is_partly(&partly) => found.push(partly),
        (Some(finding), Some(None)) if secure.is_some() => {
            let because = format!("passive mode works in clear and not with TLS ({})", finding.because);
            found.push(Finding::new(Cause::HelperBlinded, because));
            found.push(finding);
        }
        (Some(finding), _) => found.push(finding),
        (None, _) => found.push(Finding::new(Cause::Works, carried(main))),
    }
    found.extend(announced(main, &found));
    found.extend(clear.and_then(|clear| active(clear, main)).or_else(|| active(main, main)));
    if let Some(name) = seen.iter().find_map(|seen| seen.left_empty.as_ref()) {
        found.push(Finding::new(Cause::Truncates, format!("the failed upload left {name} with 0 octets")));
    }
    // The same thing is said once.
    let mut causes = Vec::new();
    found.retain(|finding| {
        let fresh = !causes.contains(&finding.cause);
        causes.push(finding.cause);
        fresh
    });
    found
}

/// What passive mode was seen to carry.
fn carried(seen: &Seen) -> &'static str {
    match seen.store {
        Some(Transfer::Refused(_)) => "passive mode carries a listing; this user may not upload",
        _ => "passive mode carries a listing and an upload",
    }
}

fn is_in(seen: &Seen) -> bool {
    seen.control == Control::Good
}

/// Why there is no session.
fn control(seen: &Seen) -> Option<Finding> {
    let profile = seen.security;
    Some(match &seen.control {
        Control::Good | Control::TlsHangs => return None,
        Control::NoConnection(connect) => {
            Finding::new(Cause::ControlClosed, format!("the control port ({profile}): {}", words(connect)))
        }
        Control::NoGreeting => {
            Finding::new(Cause::NoGreeting, format!("connected ({profile}), and no 220 came"))
        }
        Control::TlsFails(why) => Finding::new(Cause::TlsFails, format!("{profile}: {why}")),
        Control::NotOffered(why) => Finding::new(Cause::Refused, format!("{profile}: {why}")),
        Control::NoLogin(why) => Finding::new(Cause::NoLogin, why.clone()),
    })
}

fn words(connect: &Connect) -> &'static str {
    match connect {
        Connect::Good => "connected",
        Connect::TimedOut => "no answer",
        Connect::Refused => "refused",
        Connect::Unreachable => "unreachable or prohibited",
    }
}

/// What is wrong with passive mode; `None` if it works.
fn passive(seen: &Seen) -> Option<Finding> {
    if let Some(finding) = ports(seen) {
        return Some(finding);
    }
    transfer(seen.list.as_ref()?, Direction::Down).or_else(|| transfer(seen.store.as_ref()?, Direction::Up))
}

/// P1: what the ports say.
fn ports(seen: &Seen) -> Option<Finding> {
    let bad: Vec<&(u16, Connect)> =
        seen.ports.iter().filter(|(_, connect)| *connect != Connect::Good).collect();
    let first = bad.first()?;
    let sample = format!("{} of {} ports: {}", bad.len(), seen.ports.len(), words(&first.1));
    if seen.open() > 0 {
        return Some(mixed(seen, &bad, &sample));
    }
    // A private address in the 227 tells of a NAT in front of the server.
    if let Some(pasv) = &seen.pasv
        && let (Some(announced), Some(ends)) = (pasv.announced, seen.ends)
        && is_private(announced.ip())
        && announced.ip() != ends.1.ip()
    {
        let because = format!(
            "{sample}, and PASV announces {} although the server is at {}",
            announced.ip(),
            ends.1.ip()
        );
        return Some(Finding::new(Cause::ForwardMissing, because));
    }
    let cause = match first.1 {
        Connect::TimedOut | Connect::Good => Cause::RangeFiltered,
        Connect::Refused => Cause::RangeRefused,
        Connect::Unreachable => Cause::RangeProhibited,
    };
    Some(Finding::new(cause, sample))
}

fn is_partly(finding: &Finding) -> bool {
    finding.cause == Cause::RangePartly
}

/// Some ports work: by their number, or by chance.
fn mixed(seen: &Seen, bad: &[&(u16, Connect)], sample: &str) -> Finding {
    let worked_later = seen.one_port.contains(&Connect::Good) && seen.one_port.len() > 1;
    if worked_later {
        return Finding::new(Cause::Spread, format!("{sample}; one and the same port fails and then works"));
    }
    let ends = |ports: Vec<u16>| Some((*ports.iter().min()?, *ports.iter().max()?));
    let good = ends(
        seen.ports.iter().filter(|(_, connect)| *connect == Connect::Good).map(|(port, _)| *port).collect(),
    );
    let bad = ends(bad.iter().map(|(port, _)| *port).collect());
    let because = match (good, bad) {
        (Some(good), Some(bad)) => {
            format!("{sample}; open {} to {}, closed {} to {}", good.0, good.1, bad.0, bad.1)
        }
        _ => sample.to_owned(),
    };
    Finding::new(Cause::RangePartly, because)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
}

/// P2 and P3: what a transfer says.
fn transfer(seen: &Transfer, direction: Direction) -> Option<Finding> {
    let reuse = |said: &str| {
        let said = said.to_ascii_lowercase();
        said.starts_with("522") || said.contains("reuse") || said.contains("resum")
    };
    let what = if direction == Direction::Down { "a listing" } else { "an upload of 20 kB" };
    Some(match seen {
        Transfer::Good => return None,
        // A user who may not write: that is no matter of the network.
        Transfer::Refused(_) if direction == Direction::Up => return None,
        Transfer::NoConnection(connect) => {
            Finding::new(Cause::RangeFiltered, format!("{what}: {}", words(connect)))
        }
        Transfer::Reset(Some(said)) | Transfer::Unseen(Some(said)) if reuse(said) => {
            Finding::new(Cause::ReuseDemanded, said.clone())
        }
        Transfer::Reset(said) => {
            let said = said.as_deref().unwrap_or("the server said nothing of it");
            Finding::new(Cause::NatPool, format!("{what}: connected, then cut off; {said}"))
        }
        Transfer::Unseen(said) => {
            let said = said.as_deref().unwrap_or("the server said nothing of it");
            let because =
                format!("{what}: the connection stands here, and the server does not see it; {said}");
            Finding::new(Cause::Intercepted, because)
        }
        Transfer::Silent if direction == Direction::Down => {
            Finding::new(Cause::PayloadDropped, "150, and then not even a few octets get through")
        }
        Transfer::Silent => Finding::new(Cause::PacketsTooBig, "a listing works, an upload of 20 kB stalls"),
        Transfer::Handshake(said) if reuse(said) => Finding::new(Cause::ReuseDemanded, said.clone()),
        Transfer::Handshake(said) => Finding::new(Cause::DataHandshakeFails, said.clone()),
        Transfer::Refused(said) => Finding::new(Cause::Refused, format!("{what}: {said}")),
        Transfer::ControlLost => {
            Finding::new(Cause::ControlExpires, format!("the control connection broke in {what}"))
        }
    })
}

/// P4: what PASV announces.
fn announced(seen: &Seen, found: &[Finding]) -> Option<Finding> {
    let (pasv, ends) = (seen.pasv.as_ref()?, seen.ends?);
    let server = ends.1.ip();
    let Some(announced) = pasv.announced else {
        let v6 = server.is_ipv6();
        return v6.then(|| Finding::new(Cause::PasvOverIpv6, pasv.reply.clone()));
    };
    if server.is_ipv6() {
        return Some(Finding::new(Cause::PasvOverIpv6, pasv.reply.clone()));
    }
    if announced.ip() == server || found.iter().any(|finding| finding.cause == Cause::ForwardMissing) {
        return None;
    }
    if is_private(announced.ip()) && !is_private(server) || pasv.to_announced != Some(Connect::Good) {
        let cause = if is_private(announced.ip()) { Cause::PasvPrivate } else { Cause::PasvStale };
        return Some(Finding::new(
            cause,
            format!("PASV announces {}, the server is at {server}", announced.ip()),
        ));
    }
    None
}

/// P5: what active mode says; in clear, where a helper could see it.
fn active(seen: &Seen, main: &Seen) -> Option<Finding> {
    let (active, ends) = (seen.active.as_ref()?, seen.ends?);
    let behind_nat = is_private(ends.0.ip()) && !is_private(ends.1.ip());
    let works = active.listed.as_deref() == Some("226");
    let because = match &active.listed {
        Some(said) if !works => format!("{}; {said}", active.reply),
        _ => active.reply.clone(),
    };
    match (works, active.taken, active.from) {
        (true, ..) if behind_nat => Some(Finding::new(
            Cause::Helper,
            format!("this host is {} behind NAT, and PORT works", ends.0.ip()),
        )),
        (true, ..) => None,
        (false, Taken::No, _) if behind_nat || active.reply.contains("NAT") => {
            Some(Finding::new(Cause::ClientNat, because))
        }
        // A server that does not offer active mode has nothing wrong with it.
        (false, Taken::No, _) => None,
        (false, Taken::Yes, None) if behind_nat => Some(Finding::new(Cause::ClientNat, because)),
        // It came, and carried nothing: that is not about active mode.
        (false, Taken::Yes, Some(_)) if active.listed.is_none() => None,
        (false, Taken::Yes, _) => {
            let in_tls = main.security != Security::Plain && seen.security == Security::Plain;
            let where_ = if in_tls { " (in clear)" } else { "" };
            Some(Finding::new(
                Cause::ActiveBlocked,
                format!("no connection came to this host{where_}; {because}"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Active, Pasv};

    const PUBLIC: &str = "198.51.100.7:5000";
    const PRIVATE: &str = "10.1.0.2:5000";
    const SERVER: &str = "203.0.113.5:21";

    /// What a client sees where everything works.
    fn fine(security: Security, own: &str) -> Seen {
        let ends = (own.parse().unwrap(), SERVER.parse().unwrap());
        Seen {
            ends: Some(ends),
            ports: (0..8u16).map(|step| (41_000 + 1000 * step, Connect::Good)).collect(),
            list: Some(Transfer::Good),
            store: Some(Transfer::Good),
            pasv: Some(Pasv {
                reply: "227".to_owned(),
                announced: Some("203.0.113.5:41000".parse().unwrap()),
                to_announced: Some(Connect::Good),
                to_peer: Some(Connect::Good),
            }),
            active: Some(Active {
                reply: "200".to_owned(),
                taken: Taken::Yes,
                from: Some(ends.1.ip()),
                listed: Some("226".to_owned()),
            }),
            ..Seen::new(security, Control::Good)
        }
    }

    fn all(seen: &mut Seen, connect: &Connect) {
        seen.ports.iter_mut().for_each(|(_, port)| *port = connect.clone());
        seen.list = None;
        seen.store = None;
    }

    fn causes(seen: &[Seen]) -> Vec<Cause> {
        verdict(seen).iter().map(|finding| finding.cause).collect()
    }

    fn changed(change: impl Fn(&mut Seen)) -> Vec<Cause> {
        let mut seen = [fine(Security::Plain, PUBLIC), fine(Security::Explicit, PUBLIC)];
        seen.iter_mut().for_each(&change);
        causes(&seen)
    }

    #[test]
    fn one_symptom_one_cause() {
        assert_eq!(changed(|_| {}), [Cause::Works]);
        assert_eq!(changed(|seen| all(seen, &Connect::TimedOut)), [Cause::RangeFiltered]);
        assert_eq!(changed(|seen| all(seen, &Connect::Refused)), [Cause::RangeRefused]);
        assert_eq!(changed(|seen| all(seen, &Connect::Unreachable)), [Cause::RangeProhibited]);
        let half =
            |seen: &mut Seen| seen.ports.iter_mut().skip(4).for_each(|port| port.1 = Connect::TimedOut);
        assert_eq!(changed(half), [Cause::RangePartly]);
        // Chance may choose ports of one kind in one of the profiles.
        let in_one = |only: Security, change: &dyn Fn(&mut Seen), other: &dyn Fn(&mut Seen)| {
            changed(|seen| if seen.security == only { change(seen) } else { other(seen) })
        };
        assert_eq!(in_one(Security::Plain, &half, &|_| {}), [Cause::RangePartly]);
        assert_eq!(in_one(Security::Explicit, &half, &|_| {}), [Cause::RangePartly]);
        for connect in [Connect::TimedOut, Connect::Refused, Connect::Unreachable] {
            let by_chance = in_one(Security::Plain, &half, &|seen| all(seen, &connect));
            assert_eq!(by_chance, [Cause::RangePartly], "{connect:?}");
        }
        // One port may be an accident: a lost segment, twice.
        let one = |seen: &mut Seen| seen.ports[0].1 = Connect::TimedOut;
        assert_eq!(in_one(Security::Plain, &one, &|_| {}), [Cause::Works]);
        let blinded = in_one(Security::Plain, &one, &|seen| all(seen, &Connect::TimedOut));
        assert_eq!(blinded, [Cause::HelperBlinded, Cause::RangeFiltered]);
        let two = |seen: &mut Seen| seen.ports[..2].iter_mut().for_each(|port| port.1 = Connect::TimedOut);
        let filtered = in_one(Security::Plain, &two, &|seen| all(seen, &Connect::TimedOut));
        assert_eq!(filtered, [Cause::RangeFiltered], "not by chance: most are open in clear");
        let spread = |seen: &mut Seen| {
            half(seen);
            seen.one_port = vec![Connect::Refused, Connect::Good];
        };
        assert_eq!(changed(spread), [Cause::Spread]);
        let said = || Some("425 Data connection came from 198.51.100.3".to_owned());
        assert_eq!(changed(|seen| seen.list = Some(Transfer::Reset(said()))), [Cause::NatPool]);
        assert_eq!(changed(|seen| seen.list = Some(Transfer::Unseen(None))), [Cause::Intercepted]);
        assert_eq!(changed(|seen| seen.list = Some(Transfer::Silent)), [Cause::PayloadDropped]);
        assert_eq!(changed(|seen| seen.store = Some(Transfer::Silent)), [Cause::PacketsTooBig]);
        let reuse = |seen: &mut Seen| {
            seen.list =
                Some(Transfer::Handshake("522 SSL connection failed: session reuse required".to_owned()))
        };
        assert_eq!(changed(reuse), [Cause::ReuseDemanded]);
        // A user who may only read.
        let read_only =
            |seen: &mut Seen| seen.store = Some(Transfer::Refused("553 permission denied".to_owned()));
        assert_eq!(changed(read_only), [Cause::Works]);
        let empty = |seen: &mut Seen| {
            seen.store = Some(Transfer::Silent);
            seen.left_empty = Some("f".to_owned());
        };
        assert_eq!(changed(empty), [Cause::PacketsTooBig, Cause::Truncates]);
    }

    #[test]
    fn addresses_tell_of_nat() {
        let private = |seen: &mut Seen| {
            if let Some(pasv) = &mut seen.pasv {
                pasv.announced = Some("10.2.0.2:41000".parse().unwrap());
                pasv.to_announced = Some(Connect::Unreachable);
            }
        };
        assert_eq!(changed(private), [Cause::Works, Cause::PasvPrivate]);
        let unforwarded = |seen: &mut Seen| {
            private(seen);
            all(seen, &Connect::TimedOut);
        };
        assert_eq!(changed(unforwarded), [Cause::ForwardMissing]);
        let stale = |seen: &mut Seen| {
            if let Some(pasv) = &mut seen.pasv {
                pasv.announced = Some("192.0.2.99:41000".parse().unwrap());
                pasv.to_announced = Some(Connect::TimedOut);
            }
        };
        assert_eq!(changed(stale), [Cause::Works, Cause::PasvStale]);
        // A client behind NAT: refused at once by us, taken and then in vain elsewhere, or saved by a helper.
        let mut clear = fine(Security::Plain, PRIVATE);
        let secure = fine(Security::Explicit, PRIVATE);
        assert_eq!(causes(&[clear.clone(), secure.clone()]), [Cause::Works, Cause::Helper]);
        clear.active =
            Some(Active { reply: "501 behind NAT".to_owned(), taken: Taken::No, from: None, listed: None });
        assert_eq!(causes(&[clear.clone(), secure.clone()]), [Cause::Works, Cause::ClientNat]);
        clear.active = Some(Active {
            reply: "200".to_owned(),
            taken: Taken::Yes,
            from: None,
            listed: Some("425".to_owned()),
        });
        assert_eq!(causes(&[clear, secure]), [Cause::Works, Cause::ClientNat]);
        let silent = |seen: &mut Seen| {
            seen.active = Some(Active {
                reply: "200".to_owned(),
                taken: Taken::Yes,
                from: None,
                listed: Some("425".to_owned()),
            });
        };
        assert_eq!(changed(silent), [Cause::Works, Cause::ActiveBlocked]);
    }

    #[test]
    fn tls_is_compared_with_clear_text() {
        let clear = fine(Security::Plain, PUBLIC);
        let mut secure = fine(Security::Explicit, PUBLIC);
        all(&mut secure, &Connect::TimedOut);
        assert_eq!(causes(&[clear.clone(), secure]), [Cause::HelperBlinded, Cause::RangeFiltered]);
        let (mut stalls, mut hangs) = (clear.clone(), fine(Security::Explicit, PUBLIC));
        stalls.store = Some(Transfer::Silent);
        stalls.active.as_mut().unwrap().listed = None;
        hangs.list = Some(Transfer::Silent);
        assert_eq!(causes(&[stalls, hangs]), [Cause::PacketsTooBig]);
        let hung = Seen::new(Security::Explicit, Control::TlsHangs);
        assert_eq!(causes(&[clear, hung]), [Cause::TlsBlocked, Cause::Works]);
        let closed = Seen::new(Security::Plain, Control::NoConnection(Connect::TimedOut));
        assert_eq!(causes(&[closed]), [Cause::ControlClosed]);
    }
}
