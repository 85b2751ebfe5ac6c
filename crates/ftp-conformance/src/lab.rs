//! What a client does in one network of the lab: every way of making data connections, every profile, every kind of
//! upload and download, in both orders; and what is left on the server's disk when it fails.
//!
//! The client sees the server's folder, which in the lab is on the same machine: damage is looked for where it would be,
//! not asked for over FTP. `cargo xtask lab` builds the networks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::axes::{Cell, Data, End, Family, Security, Version};
use crate::case::Stop;
use crate::context::Context;
use crate::peer::data::{Setup, extended_port, passive_address};
use crate::peer::transcript::Transcript;
use crate::peer::wire::Wire;
use crate::peer::{Peer, Reply};
use crate::target::Server;

/// What is in a file before.
const OLD: &[u8] = b"the old version, which must not be lost\n";
/// Octets of a new file: several segments.
const NEW: usize = 40_000;

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
    /// It was called done, and the octets are wrong.
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
            let context = Context {
                server,
                cell,
                doors: None,
                source: None,
                timeout: settings.deadline,
                transcript: Transcript::default(),
                fault: None,
            };
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

/// The folder of one try, and what is in it.
struct Place {
    folder: PathBuf,
    name: String,
    wish: Wish,
}

impl Place {
    /// Made on the disk: an upload would be what is to be tried.
    fn prepare(settings: &Settings, wish: Wish, number: usize) -> std::io::Result<Self> {
        let name = format!("lab-{number}");
        let folder = settings.root.join(&name);
        std::fs::create_dir_all(&folder)?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&folder, open)?;
        if !matches!(wish, Wish::StorNew) {
            let file = folder.join("f");
            let content = if wish == Wish::Retr { new() } else { OLD.to_vec() };
            std::fs::write(&file, content)?;
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        }
        Ok(Self { folder, name, wish })
    }

    /// What is wrong on the disk after a failure: an empty file, a lost old version, anything that was not there.
    fn damage(&self) -> Option<String> {
        let entries: BTreeSet<String> = std::fs::read_dir(&self.folder)
            .map(|entries| {
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            })
            .unwrap_or_default();
        if let Some(other) = entries.iter().find(|name| *name != "f") {
            return Some(format!("{other} was left behind"));
        }
        let content = read(&self.folder.join("f"));
        match (self.wish, content) {
            (Wish::StorNew, None) => None,
            (Wish::StorNew, Some(content)) if content.is_empty() => Some("an empty file was left".to_owned()),
            // A new file may keep the octets that came.
            (Wish::StorNew, Some(content)) => {
                (!new().starts_with(&content)).then(|| "a file of other octets was left".to_owned())
            }
            (_, None) => Some("the old version is gone".to_owned()),
            (Wish::StorOver | Wish::List, Some(content)) => {
                (content != OLD).then(|| format!("the old version is changed: {} octets", content.len()))
            }
            (Wish::Retr, Some(content)) => (content != new()).then(|| "the file is changed".to_owned()),
            // What came is behind the old version.
            (Wish::Appe | Wish::Rest, Some(content)) => {
                let kept = content.strip_prefix(OLD).is_some_and(|more| new().starts_with(more));
                (!kept).then(|| format!("the old version is lost: {} octets", content.len()))
            }
        }
    }

    /// Whether an upload that was called done is there.
    fn is_right(&self) -> bool {
        let content = read(&self.folder.join("f")).unwrap_or_default();
        match self.wish {
            Wish::List | Wish::Retr => true,
            Wish::StorNew | Wish::StorOver => content == new(),
            Wish::Appe | Wish::Rest => content == [OLD, &new()].concat(),
        }
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}

fn new() -> Vec<u8> {
    (0..NEW).map(|index| u8::try_from(index % 251).unwrap_or(0)).collect()
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
        peer.expect(&format!("REST {}", OLD.len()), &[350]).await?;
    }
    Ok(peer)
}

/// How a transfer ended for the client: the final reply and the data, or nothing.
enum Ended {
    Replied(Reply, Vec<u8>),
    /// The client broke off by leaving.
    Gone,
    Stopped(Stop),
}

async fn transfer(peer: &mut Peer, plan: Plan) -> Ended {
    match try_transfer(peer, plan).await {
        Ok(Some((reply, data))) => Ended::Replied(reply, data),
        Ok(None) => Ended::Gone,
        Err(stop) => Ended::Stopped(stop),
    }
}

/// What is set up: a port to connect to, or one to be connected to.
enum Way {
    To(std::net::SocketAddr),
    From(TcpListener),
}

async fn set_up(peer: &mut Peer, plan: Plan) -> Result<Result<Way, Reply>, Stop> {
    let broken = |error: std::io::Error| Stop::Broken(error.to_string());
    let passive = |reply: Reply| if reply.code / 100 == 2 { Ok(reply) } else { Err(reply) };
    Ok(match plan.data {
        Data::Pasv => match passive(peer.command("PASV").await?) {
            Ok(reply) => Ok(Way::To(passive_address(&reply)?)),
            Err(reply) => Err(reply),
        },
        Data::Epsv => match passive(peer.command("EPSV").await?) {
            Ok(reply) => Ok(Way::To(std::net::SocketAddr::new(peer.ends.1.ip(), extended_port(&reply)?))),
            Err(reply) => Err(reply),
        },
        Data::Port | Data::Eprt => {
            let listener = TcpListener::bind((peer.ends.0.ip(), 0)).await.map_err(broken)?;
            let line = peer.active_line(listener.local_addr().map_err(broken)?);
            match passive(peer.command(&line).await?) {
                Ok(_) => Ok(Way::From(listener)),
                Err(reply) => Err(reply),
            }
        }
    })
}

/// How long a client tries to connect before it goes on without.
const PATIENCE: Duration = Duration::from_secs(2);

async fn connect(to: std::net::SocketAddr) -> Option<TcpStream> {
    tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await.ok()?.ok()
}

async fn try_transfer(peer: &mut Peer, plan: Plan) -> Result<Option<(Reply, Vec<u8>)>, Stop> {
    let way = match set_up(peer, plan).await? {
        Ok(way) => way,
        // Refused at once: the client knows, and nothing is under way.
        Err(reply) => return Ok(Some((reply, Vec::new()))),
    };
    let line = match plan.wish {
        Wish::List => "LIST",
        Wish::Retr => "RETR f",
        Wish::StorNew | Wish::StorOver | Wish::Rest => "STOR f",
        Wish::Appe => "APPE f",
    };
    let setup = match (way, plan.order) {
        (Way::To(to), Order::ConnectFirst) => {
            let stream = connect(to).await;
            peer.send(line).await?;
            stream.map(Setup::Connected)
        }
        (Way::To(to), Order::CommandFirst) => {
            peer.send(line).await?;
            connect(to).await.map(Setup::Connected)
        }
        (Way::From(listener), _) => {
            peer.send(line).await?;
            Some(Setup::Listening(listener))
        }
    };
    let first = peer.reply().await?;
    if first.code / 100 != 1 {
        return Ok(Some((first, Vec::new())));
    }
    // Without a connection of its own the client waits for what the server says.
    let Some(setup) = setup else { return Ok(Some((peer.reply().await?, Vec::new()))) };
    let Ok(wire) = peer.meet(setup).await else { return Ok(Some((peer.reply().await?, Vec::new()))) };
    let data = match plan.broken {
        None => move_data(peer, wire, plan.wish).await?,
        Some((how, octets)) => {
            if !break_off(peer, wire, how, octets).await? {
                return Ok(None);
            }
            Vec::new()
        }
    };
    let reply = peer.reply().await?;
    if plan.broken.is_some_and(|(how, _)| how == Break::Abor) {
        // 426, then 226 for ABOR itself; or the transfer was over and 226 came for both.
        peer.expect_reply(&[225, 226]).await?;
    }
    Ok(Some((reply, data)))
}

async fn move_data(peer: &Peer, mut wire: Wire, wish: Wish) -> Result<Vec<u8>, Stop> {
    let patience = peer.context.timeout;
    let mut data = Vec::new();
    match wish {
        Wish::List | Wish::Retr => {
            // Whether they are all there is looked at afterwards.
            let _end = tokio::time::timeout(patience, wire.read_to_end(&mut data)).await;
        }
        Wish::StorNew | Wish::StorOver | Wish::Appe | Wish::Rest => {
            let sending = async {
                wire.write_all(&new()).await?;
                wire.finish().await
            };
            let _sent = tokio::time::timeout(patience, sending).await;
        }
    }
    Ok(data)
}

/// Breaks a transfer off; whether the client is still there.
async fn break_off(peer: &mut Peer, mut wire: Wire, how: Break, octets: usize) -> Result<bool, Stop> {
    let data = new();
    let part = data.get(..octets).unwrap_or_default();
    let _sent = wire.write_all(part).await;
    let _flushed = wire.flush().await;
    // The server has them before the break.
    tokio::time::sleep(Duration::from_millis(100)).await;
    match how {
        Break::Rst => {
            let _gone = wire.end(End::Rst).await;
            Ok(true)
        }
        Break::Abor => {
            peer.send("ABOR").await?;
            Ok(true)
        }
        Break::Kill => {
            let _gone = wire.end(End::Rst).await;
            peer.hang_up();
            Ok(false)
        }
    }
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
        let outcome =
            if right { Outcome::Good } else { Outcome::Wrong(format!("{} octets came", data.len())) };
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
