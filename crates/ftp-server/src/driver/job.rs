//! Work that takes time: a future that ends in something the session has to hear of. A session has at most one of its own, and
//! one of its data connection.
//!
//! Not here: what is done in it. That stands in the files of the subjects.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::session::{Answer, Count, DataFault, Denied, Event, Failure, Refusal, Request, TlsFacts};
use ftp_proto::value::text::Text;
use tokio::net::TcpStream;

use crate::auth::Account;
use crate::data::receive::Ending;
use crate::driver::ask::{Ready, ask};
use crate::driver::control::{Control, Unsecured};
use crate::driver::login::Guest;
use crate::driver::publish::{Behind, Verdict, Whole};
use crate::observe::ClientEnd;
use crate::ports::{Lease, NoPort};
use crate::shared::Shared;
use crate::tls::{Kin, Tls};

/// What a job has come to.
pub(super) enum Done {
    Secured(Box<Control>, Result<(TlsFacts, Kin), Unsecured>),
    Unsecured(Box<Control>, io::Result<()>),
    Authenticated(Result<Guest, Denied>),
    Stored(Result<Answer, Refusal>, Ready),
    /// A passive port and the address to announce.
    Listening(Result<(Lease, IpAddr), NoPort>),
    Dialled(Result<TcpStream, DataFault>),
    /// All of an upload has come, and waits for its name.
    Received(Box<Whole>),
    /// A download was sent, and so its client ended.
    Sent(Count, ClientEnd),
    /// A transfer, and how its data ended if it was an upload.
    Ended(Result<Count, Failure>, Ending),
}

impl Done {
    pub(super) fn received(whole: Whole) -> Self {
        Self::Received(Box::new(whole))
    }
}

/// What becomes of a job whose client is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bereft {
    /// It is dropped: it was for the client.
    Drop,
    /// It comes to its end, so that what was done, or is left behind, is known.
    Finish,
}

/// Work under way.
pub(super) struct Job {
    work: Pin<Box<dyn Future<Output = Done> + Send>>,
    bereft: Bereft,
}

impl Job {
    pub(super) fn new(bereft: Bereft, work: impl Future<Output = Done> + Send + 'static) -> Self {
        Self { work: Box::pin(work), bereft }
    }

    /// Starts TLS on the control connection.
    pub(super) fn secure(control: Control, tls: Arc<Tls>, within: Duration) -> Self {
        Self::new(Bereft::Drop, async move {
            let (control, result) = control.secure(&tls, within).await;
            Done::Secured(Box::new(control), result)
        })
    }

    /// Ends it.
    pub(super) fn unsecure(control: Control) -> Self {
        Self::new(Bereft::Drop, async move {
            let (control, result) = control.unsecure().await;
            Done::Unsecured(Box::new(control), result)
        })
    }

    /// Asks the storage of an account. A deed is heard of in any case; what is read for the client alone, perhaps for hours,
    /// is not.
    pub(super) fn ask(account: &Account, request: Request) -> Self {
        let (storage, rights) = (Arc::clone(&account.storage), account.rights);
        let bereft = if matches!(request, Request::Digest(..)) { Bereft::Drop } else { Bereft::Finish };
        Self::new(bereft, async move {
            match ask(&storage, rights, request).await {
                Ok((answer, ready)) => Done::Stored(Ok(answer), ready),
                Err(refusal) => Done::Stored(Err(refusal), Ready::Nothing),
            }
        })
    }

    /// Opens a passive port at `local` for `client`, and finds out what address to announce.
    pub(super) fn listen(shared: Arc<Shared>, client: IpAddr, local: SocketAddr) -> Self {
        Self::new(Bereft::Drop, async move {
            let lease = match shared.ports.reserve(local, client) {
                Ok(lease) => lease,
                Err(none) => return Done::Listening(Err(none)),
            };
            let ip = shared.announcer.address(client, local).await;
            Done::Listening(Ok((lease, ip)))
        })
    }

    /// What is next for an upload that has come to its end; the upload itself, if it waits for more to be known.
    pub(super) fn publish(whole: Box<Whole>, behind: Behind) -> Result<Self, Box<Whole>> {
        let ending = whole.received.ending;
        Ok(match whole.verdict(behind) {
            Verdict::Wait => return Err(whole),
            Verdict::Name => {
                Self::new(Bereft::Finish, async move { Done::Ended(whole.name().await, ending) })
            }
            Verdict::LookAgain => Self::new(Bereft::Finish, async move {
                let settled = whole.settle().await;
                settled.map_or_else(|failure| Done::Ended(Err(failure), ending), Done::received)
            }),
            Verdict::Break(fault) => {
                Self::new(Bereft::Finish, async move { Done::Ended(Err(whole.give_up(fault).await), ending) })
            }
        })
    }

    /// Whether it comes to its end without its client.
    pub(super) fn outlives_client(&self) -> bool {
        self.bereft == Bereft::Finish
    }
}

/// What the job comes to, which is gone then; for ever pending if there is none. Cancel safe.
pub(super) async fn finish(job: &mut Option<Job>) -> Done {
    match job {
        Some(Job { work, .. }) => {
            let done = work.await;
            *job = None;
            done
        }
        None => std::future::pending().await,
    }
}

/// What the session hears of a port that could not be opened.
pub(super) fn no_port(shared: &Shared, none: &NoPort) -> Event<'static> {
    match none {
        NoPort::InUse => Event::NoPort,
        NoPort::Refused(error) => {
            let why = error.to_string();
            shared.health.shortage.note("passive ports", &why);
            Event::NoSocket(Text::clean(why))
        }
    }
}
