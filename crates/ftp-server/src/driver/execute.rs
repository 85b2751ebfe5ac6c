//! What each action of a session does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ftp_proto::session::{
    Action, Answer, Count, Create, Credentials, DataFault, Denied, Event, Failure, Fault, Format, Inbound,
    Left, Login, Notice, Outbound, Refusal, Request, Rights, Span,
};
use ftp_proto::value::facts::{Entry, Facts, Perm};
use ftp_proto::value::path::VPath;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::auth::{Account, Attempt};
use crate::data::roam::{Pace, roam};
use crate::data::send::{Listing, Origin, send};
use crate::data::{Channel, DataStream, Flow, Go, Stop, active, digest, receive, stopped};
use crate::driver::{Driver, End};
use crate::observe::Mode;
use crate::ports;
use crate::server::limits::Seat;
use crate::storage::{Entries, Sink, Storage};

/// What a job has come to.
pub(super) enum Done {
    Authenticated(Result<(Account, Option<Seat>), Denied>),
    Stored(Result<Answer, Refusal>, Ready),
    Dialled(Result<TcpStream, DataFault>),
    Ended(Result<Count, Failure>),
}

/// What a storage has made ready for a transfer.
#[derive(Default)]
pub(super) enum Ready {
    #[default]
    Nothing,
    Download(Origin),
    Upload(Box<dyn Sink>),
}

/// Entries that STAT shows at most; a longer directory is for LIST.
const STAT_ENTRIES_MAX: usize = 2000;

impl Driver {
    /// Does one action; those that take time become the job.
    pub(super) async fn act(&mut self, action: Action) {
        match action {
            // Large, and rare: every idle session would keep room for them.
            Action::Secure => Box::pin(self.secure()).await,
            Action::Unsecure => Box::pin(self.unsecure()).await,
            Action::Authenticate(credentials) => self.authenticate(credentials),
            Action::Store(request) => self.store(request),
            Action::Listen => Box::pin(self.listen()).await,
            Action::Accept(within) => {
                self.awaiting = Some((Instant::now() + within, within));
                self.look_at_channel();
            }
            Action::Dial(to, within) => {
                let (local, mss) = (self.local.ip(), self.shared.options.data_mss);
                self.begin_record(to, Mode::Active);
                self.job =
                    Some(Box::pin(async move { Done::Dialled(active::dial(local, to, mss, within).await) }));
            }
            Action::Send(plan) => self.send(&plan),
            Action::Receive(plan) => self.receive(plan),
            Action::DropData => {
                // A connection that is still being made goes with the endpoint.
                self.job = None;
                self.drop_data();
            }
            Action::Reply(reply) => self.control.reply(&reply),
            Action::Notice(notice) => {
                if let Notice::Transfer(transfer) = &notice {
                    self.end_record(transfer);
                }
                self.shared.observer.notice(self.who, &notice);
            }
            Action::Abort => {
                // A transfer hears of it and ends by itself, so that what it leaves behind is settled.
                if self.stop.send(Go::Stop).is_err() {
                    self.job = None;
                }
            }
            Action::LogOut => self.account = None,
            Action::Close => self.ending = Some(End::Said),
        }
    }

    /// Reports what a job has come to.
    pub(super) fn report(&mut self, done: Done) {
        match done {
            Done::Authenticated(Ok((account, seat))) => {
                let login = Login {
                    rights: account.rights,
                    home: VPath::root(),
                    abilities: account.storage.can(),
                    file_max: account.file_max,
                    welcome: account.welcome.clone(),
                };
                self.account = Some((account, seat));
                self.answers.push_back(Event::Authenticated(Ok(login)));
            }
            Done::Authenticated(Err(denied)) => self.answers.push_back(Event::Authenticated(Err(denied))),
            Done::Stored(answer, ready) => {
                self.ready = ready;
                self.answers.push_back(Event::Stored(answer));
            }
            Done::Dialled(Ok(stream)) => {
                self.channel = Channel::Up(stream, ports::Origin::Expected);
                self.note_connected();
                self.answers.push_back(Event::DataUp);
            }
            Done::Dialled(Err(fault)) => {
                let suspect = self.note_missed(&fault);
                self.answers.push_back(Event::DataFailed(fault, suspect));
            }
            Done::Ended(result) => self.answers.push_back(Event::Ended(result)),
        }
    }

    fn authenticate(&mut self, credentials: Credentials) {
        let (shared, peer) = (Arc::clone(&self.shared), self.peer());
        self.account = None;
        self.job = Some(Box::pin(async move {
            let attempt = Attempt { credentials: &credentials, peer };
            let result = match shared.authenticator.authenticate(&attempt).await {
                Ok(account) => {
                    shared.throttle.succeeded(peer);
                    let name = credentials.user.as_bytes();
                    match account.sessions.map(|most| shared.limits.sit_user(name, most)) {
                        Some(None) => Err(Denied::TooMany),
                        seat => Ok((account, seat.flatten())),
                    }
                }
                Err(denied) => {
                    tokio::time::sleep(shared.throttle.failed(peer, Instant::now())).await;
                    Err(denied)
                }
            };
            Done::Authenticated(result)
        }));
    }

    async fn listen(&mut self) {
        self.channel = Channel::None;
        match self.shared.ports.reserve(self.local.ip(), self.peer()) {
            Some(lease) => {
                let ip = self.shared.announcer.address(self.peer(), self.local).await;
                let address = SocketAddr::new(ip, lease.port());
                self.begin_record(address, Mode::Passive);
                self.channel = Channel::Reserved(lease);
                self.answers.push_back(Event::Listening(address));
            }
            None => self.answers.push_back(Event::NoPort),
        }
    }

    fn storage(&self) -> Option<(Arc<dyn Storage>, Rights)> {
        self.account.as_ref().map(|(account, _)| (Arc::clone(&account.storage), account.rights))
    }

    fn store(&mut self, request: Request) {
        let storage = self.storage();
        self.job = Some(Box::pin(async move {
            let Some((storage, rights)) = storage else {
                return Done::Stored(Err(Refusal::Denied), Ready::Nothing);
            };
            match store(&*storage, rights, request).await {
                Ok((answer, ready)) => Done::Stored(Ok(answer), ready),
                Err(refusal) => Done::Stored(Err(refusal), Ready::Nothing),
            }
        }));
    }

    /// A fresh signal for a transfer.
    fn stop(&mut self) -> Stop {
        self.stop = watch::Sender::new(Go::On);
        Stop::new(self.stop.subscribe(), Pace::new(self.shared.options.stall, &self.shared.transfers))
    }

    fn send(&mut self, plan: &Outbound) {
        let (channel, guard, mut stop) = (std::mem::take(&mut self.channel), self.guard.clone(), self.stop());
        let (ready, coding, protection) = (std::mem::take(&mut self.ready), plan.coding, plan.protection);
        let pace = stop.pace.clone();
        let sending = async move {
            let mut count = Count::default();
            let Ready::Download(origin) = ready else {
                return ended(count, Fault::Storage(Refusal::NotFound), Left::Nothing);
            };
            let stream = channel.finish(protection, guard.as_ref(), Flow::Out);
            let stream = unless_stopped(stream, &mut stop).await;
            let sent = match stream {
                Ok(stream) => send(stream, origin, coding, stop, &mut count).await,
                Err(fault) => Err(fault),
            };
            match sent {
                Ok(()) => Done::Ended(Ok(count)),
                Err(fault) => ended(count, fault, Left::Nothing),
            }
        };
        self.job = Some(Box::pin(roam(Box::pin(sending), pace, self.shared.transfers.clone())));
    }

    fn receive(&mut self, plan: Inbound) {
        let (channel, guard, mut stop) = (std::mem::take(&mut self.channel), self.guard.clone(), self.stop());
        let ready = std::mem::take(&mut self.ready);
        let storage =
            self.account.as_ref().map(|(account, _)| (Arc::clone(&account.storage), account.file_max));
        let pace = stop.pace.clone();
        let receiving = async move {
            let nothing = |fault| ended(Count::default(), fault, Left::Nothing);
            let (Some((storage, file_max)), Ready::Upload(sink)) = (storage, ready) else {
                return nothing(Fault::Storage(Refusal::Denied));
            };
            let stream = channel.finish(plan.protection, guard.as_ref(), Flow::In);
            let stream = match unless_stopped(stream, &mut stop).await {
                Ok(stream) => stream,
                Err(fault) => return nothing(fault),
            };
            let room = match room(&*storage, file_max, &plan).await {
                Ok(room) => room,
                Err(refusal) => return nothing(Fault::Storage(refusal)),
            };
            match receive::receive(stream, sink, &plan, room, stop).await {
                (count, Ok(())) => Done::Ended(Ok(count)),
                (count, Err((fault, left))) => ended(count, fault, left),
            }
        };
        self.job = Some(Box::pin(roam(Box::pin(receiving), pace, self.shared.transfers.clone())));
    }
}

/// Octets that an upload may add to its file before it is longer than the user's files may be.
async fn room(storage: &dyn Storage, file_max: Option<u64>, plan: &Inbound) -> Result<u64, Refusal> {
    let Some(most) = file_max else { return Ok(u64::MAX) };
    let before = match plan.how {
        Create::Replace | Create::Unique => 0,
        Create::At(offset) => offset,
        Create::Append => match storage.facts(&plan.path).await {
            Ok(facts) => facts.size,
            Err(Refusal::NotFound) => 0,
            Err(refusal) => return Err(refusal),
        },
    };
    most.checked_sub(before).ok_or(Refusal::OverQuota)
}

/// The data connection, unless the transfer is stopped first.
async fn unless_stopped(
    stream: impl Future<Output = Result<DataStream, Fault>>,
    stop: &mut Stop,
) -> Result<DataStream, Fault> {
    tokio::select! {
        biased;
        () = stopped(stop) => Err(Fault::Aborted),
        stream = stream => stream,
    }
}

fn ended(count: Count, fault: Fault, left: Left) -> Done {
    Done::Ended(Err(Failure { fault, left, count }))
}

/// Asks a storage, in its words.
async fn store(storage: &dyn Storage, rights: Rights, request: Request) -> Result<(Answer, Ready), Refusal> {
    let answer = match request {
        Request::Facts(path) => {
            let facts = storage.facts(&path).await?;
            Answer::Facts(Facts { perm: facts.perm.intersection(allowed(rights)), ..facts })
        }
        Request::Enter(path) => match storage.facts(&path).await?.is_dir() {
            true => Answer::Done,
            false => return Err(Refusal::NotADirectory),
        },
        Request::Entries(path) => Answer::Entries(entries(storage, &path).await?),
        Request::OpenFile(path, span) => return open_file(storage, &path, span).await,
        Request::OpenList(path, format) => return open_list(storage, rights, &path, format).await,
        Request::MayWrite(path, how) => {
            let (path, sink) = storage.write(&path, how).await?;
            return Ok((Answer::Writable(path), Ready::Upload(sink)));
        }
        Request::Digest(path, algorithm, span) => {
            let source = storage.read(&path, span.first).await?;
            let (digest, range) = digest::digest(source, algorithm, span).await?;
            Answer::Digest(digest, range)
        }
        Request::Free(path) => Answer::Free(storage.free(&path).await?),
        Request::MakeDir(path) => done(storage.make_dir(&path).await)?,
        Request::RemoveDir(path) => done(storage.remove_dir(&path).await)?,
        Request::RemoveFile(path) => done(storage.remove_file(&path).await)?,
        Request::Rename(from, to) => done(storage.rename(&from, &to).await)?,
        Request::Change(path, change) => done(storage.change(&path, &change).await)?,
    };
    Ok((answer, Ready::Nothing))
}

fn done(result: Result<(), Refusal>) -> Result<Answer, Refusal> {
    result.map(|()| Answer::Done)
}

async fn open_file(storage: &dyn Storage, path: &VPath, span: Span) -> Result<(Answer, Ready), Refusal> {
    let source = storage.read(path, span.first).await?;
    let wanted = span.last.map(|last| last.saturating_sub(span.first).saturating_add(1));
    Ok((Answer::Opened(source.len()), Ready::Download(Origin::File(source, wanted))))
}

/// Opens a directory for a listing; LIST and NLST of a file describe that file alone.
async fn open_list(
    storage: &dyn Storage,
    rights: Rights,
    path: &VPath,
    format: Format,
) -> Result<(Answer, Ready), Refusal> {
    let (entries, format) = match (storage.list(path).await, format) {
        // `NLST sub/file` yields `sub/file`.
        (Err(Refusal::NotADirectory), Format::Names(mut given)) => {
            given.truncate(given.iter().rposition(|octet| *octet == b'/').map_or(0, |slash| slash + 1));
            (one(storage, path).await?, Format::Names(given))
        }
        (Err(Refusal::NotADirectory), Format::Unix) => (one(storage, path).await?, Format::Unix),
        (entries, format) => (entries?, format),
    };
    let listing = Listing::new(entries, format, allowed(rights));
    Ok((Answer::Done, Ready::Download(Origin::Listing(listing))))
}

async fn one(storage: &dyn Storage, path: &VPath) -> Result<Box<dyn Entries>, Refusal> {
    let entry = Entry { name: path.name().to_vec(), facts: storage.facts(path).await? };
    Ok(Box::new(One(Some(entry))))
}

/// A listing of one entry.
struct One(Option<Entry>);

#[async_trait::async_trait]
impl Entries for One {
    async fn next_page(&mut self) -> Result<Vec<Entry>, Refusal> {
        Ok(self.0.take().into_iter().collect())
    }
}

async fn entries(storage: &dyn Storage, path: &VPath) -> Result<Vec<Entry>, Refusal> {
    let mut pages = match storage.list(path).await {
        Err(Refusal::NotADirectory) => one(storage, path).await?,
        pages => pages?,
    };
    let mut entries = Vec::new();
    while entries.len() < STAT_ENTRIES_MAX {
        let page = pages.next_page().await?;
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    entries.truncate(STAT_ENTRIES_MAX);
    Ok(entries)
}

/// The letters of the perm fact that a user's rights leave.
fn allowed(rights: Rights) -> Perm {
    let letters = [
        (Rights::APPEND, &b"a"[..]),
        (Rights::WRITE, b"cw"),
        (Rights::DELETE, b"dp"),
        (Rights::ENTER, b"e"),
        (Rights::RENAME, b"f"),
        (Rights::LIST, b"l"),
        (Rights::MAKE_DIR, b"m"),
        (Rights::READ, b"r"),
    ];
    let allowed: Vec<u8> = letters
        .iter()
        .filter(|(right, _)| rights.has(*right))
        .flat_map(|(_, letters)| *letters)
        .copied()
        .collect();
    Perm::of(&allowed)
}
