//! What a client does in one network of the lab: every way of making data connections, every profile, every kind of
//! upload and download, in both orders; and what is left on the server's disk when it fails.
//!
//! The client sees the server's folder, which in the lab is on the same machine: damage is looked for where it would be,
//! not asked for over FTP. `cargo xtask lab` builds the networks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::axes::{Cell, Data, Family, Security, Version};
use crate::case::Stop;
use crate::context::Context;
use crate::peer::Peer;
use crate::target::Server;

mod place;
mod transfer;

use place::{Place, new};
use transfer::{Ended, transfer};

/// What the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// LIST
    List,
    /// RETR
    Retr,
    /// STOR of a name that is free.
    StorNew,
    /// STOR over an old version.
    StorOver,
    /// APPE to an old version.
    Appe,
    /// REST and STOR behind an old version.
    Rest,
}

/// Which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The data connection, then the command.
    ConnectFirst,
    /// The command, then the data connection.
    CommandFirst,
}

/// How the client breaks a transfer off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Break {
    /// It ends the data connection by RST.
    Rst,
    /// It sends ABOR.
    Abor,
    /// It is gone: both connections end.
    Kill,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// `plain`, `explicit`, `implicit`.
    pub security: String,
    /// `PASV` and so on.
    pub data: String,
    /// What the client wants.
    pub wish: Wish,
    /// Which comes first.
    pub order: Order,
    /// How it breaks off, after so many octets.
    pub broken: Option<(Break, usize)>,
    /// What came of it.
    pub outcome: Outcome,
    /// The final reply.
    pub reply: String,
    /// Milliseconds from the command to the final reply.
    pub milliseconds: u128,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It worked: the right octets are where they should be.
    Good,
    /// It failed, the client was told, and everything is as it was.
    Clean,
    /// The old version is gone or changed, or an empty file is left.
    Damaged(String),
    /// No final reply in time, or more than one.
    Silent(String),
    /// The session did not go on.
    Lost(String),
    /// There was no session to begin with.
    NoSession(String),
    /// A download was called done, and the client did not get all of it: the server's kernel has it still.
    Undelivered(String),
    /// An upload was called done, and the octets on the disk are wrong.
    Wrong(String),
}

/// How the client goes about it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the account on the server.
    pub root: PathBuf,
    /// How long a final reply may take.
    pub deadline: Duration,
    /// Profiles.
    pub security: Vec<Security>,
    /// Tries at once.
    pub jobs: usize,
    /// Whether transfers are broken off too.
    pub breaking: Breaking,
}

/// Whether transfers are broken off too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaking {
    /// They run to their end, as far as the network lets them.
    No,
    /// They are broken off at 0, 1 and many octets.
    Yes,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    security: Security,
    data: Data,
    wish: Wish,
    order: Order,
    broken: Option<(Break, usize)>,
}

fn plans(settings: &Settings, family: Family) -> Vec<Plan> {
    let wishes = [Wish::List, Wish::Retr, Wish::StorNew, Wish::StorOver, Wish::Appe, Wish::Rest];
    let ways: &[Data] = if family == Family::V4 { Data::ALL } else { &[Data::Epsv, Data::Eprt] };
    let mut plans = Vec::new();
    for security in &settings.security {
        for data in ways {
            for wish in wishes {
                for order in [Order::ConnectFirst, Order::CommandFirst] {
                    plans.push(Plan { security: *security, data: *data, wish, order, broken: None });
                }
            }
        }
        for broken in
            [Break::Rst, Break::Abor, Break::Kill].iter().filter(|_| settings.breaking == Breaking::Yes)
        {
            for octets in [0, 1, 30_000] {
                for wish in [Wish::StorNew, Wish::StorOver, Wish::Appe] {
                    let order = Order::ConnectFirst;
                    plans.push(Plan {
                        security: *security,
                        data: Data::Epsv,
                        wish,
                        order,
                        broken: Some((*broken, octets)),
                    });
                }
            }
        }
    }
    plans
}

/// Tries everything in one network.
pub async fn tries(server: &Arc<Server>, family: Family, settings: &Settings) -> Vec<Try> {
    let seats = Arc::new(Semaphore::new(settings.jobs.max(1)));
    let mut running = JoinSet::new();
    for (number, plan) in plans(settings, family).into_iter().enumerate() {
        let (server, seats, settings) = (Arc::clone(server), Arc::clone(&seats), settings.clone());
        running.spawn(async move {
            let _seat = seats.acquire_owned().await;
            let cell = Cell { family, ..Cell::new(plan.security, plan.data, Version::Tls13) };
            let context = Context::new(server, cell, settings.deadline);
            attempt(context, plan, &settings, number).await
        });
    }
    let mut tries = Vec::new();
    while let Some(done) = running.join_next().await {
        tries.extend(done.ok());
    }
    tries.sort_by_key(|attempt| format!("{attempt:?}"));
    tries
}

async fn attempt(context: Context, plan: Plan, settings: &Settings, number: usize) -> Try {
    let done = |outcome: Outcome, reply: String, begun: Option<Instant>| Try {
        security: plan.security.to_string(),
        data: plan.data.to_string(),
        wish: plan.wish,
        order: plan.order,
        broken: plan.broken,
        outcome,
        reply,
        milliseconds: begun.map_or(0, |begun| begun.elapsed().as_millis()),
    };
    let place = match Place::prepare(settings, plan.wish, number) {
        Ok(place) => place,
        Err(error) => return done(Outcome::NoSession(error.to_string()), String::new(), None),
    };
    let mut peer = match session(&context, &place).await {
        Ok(peer) => peer,
        Err(stop) => return done(Outcome::NoSession(format!("{stop:?}")), String::new(), None),
    };
    let begun = Instant::now();
    let ended = transfer(&mut peer, plan).await;
    let elapsed = begun;
    let (outcome, reply) = judge(&mut peer, plan, &place, ended).await;
    done(outcome, reply, Some(elapsed))
}

async fn session(context: &Context, place: &Place) -> Result<Peer, Stop> {
    let mut peer = context.login().await?;
    peer.expect(&format!("CWD {}", place.name), &[250, 200]).await?;
    if place.wish == Wish::Rest {
        peer.expect(&format!("REST {}", Place::OLD_LENGTH), &[350]).await?;
    }
    Ok(peer)
}

/// Looks at what is left: replies, the disk, the session.
async fn judge(peer: &mut Peer, plan: Plan, place: &Place, ended: Ended) -> (Outcome, String) {
    let (reply, data) = match ended {
        Ended::Replied(reply, data) => (reply, data),
        Ended::Gone => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let outcome = place.damage().map_or(Outcome::Clean, Outcome::Damaged);
            return (outcome, "(the client is gone)".to_owned());
        }
        Ended::Stopped(stop) => {
            let why = match stop {
                Stop::Fails { actual, .. } => actual,
                Stop::Broken(why) | Stop::Unsupported(why) | Stop::Skipped(why) => why,
            };
            // The damage is worse than the silence.
            return match place.damage() {
                Some(damage) => (Outcome::Damaged(damage), why),
                None => (Outcome::Silent(why.clone()), why),
            };
        }
    };
    let shown = reply.show();
    if plan.broken.is_none() && matches!(reply.code, 226 | 250) {
        let right = match plan.wish {
            Wish::Retr => data == new(),
            Wish::List => String::from_utf8_lossy(&data).contains(" f"),
            _ => place.is_right(),
        };
        let came = format!("{} octets came", data.len());
        let outcome = match plan.wish {
            _ if right => Outcome::Good,
            Wish::Retr | Wish::List => Outcome::Undelivered(came),
            Wish::StorNew | Wish::StorOver | Wish::Appe | Wish::Rest => Outcome::Wrong(came),
        };
        return (outcome, shown);
    }
    if let Err(stop) = peer.expect_silence(Duration::from_millis(200)).await {
        return (Outcome::Silent(format!("more than one final reply: {stop:?}")), shown);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    if let Some(damage) = place.damage() {
        return (Outcome::Damaged(damage), shown);
    }
    match peer.expect("NOOP", &[200]).await {
        Ok(_) => (Outcome::Clean, shown),
        Err(stop) => (Outcome::Lost(format!("{stop:?}")), shown),
    }
}
