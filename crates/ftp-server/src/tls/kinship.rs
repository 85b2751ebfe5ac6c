//! Whose data connection it is, as its TLS session shows: the binding in its ticket belongs to this control connection, or to
//! another one of the same account and the same client, who may share the tickets of several control connections (Go
//! programs do). Bindings are remembered from the handshake on, and as long as tickets live: a client also uses those of
//! sessions that have ended.
//!
//! Not here: how a binding comes into a ticket (`tls/ticket.rs`).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::tls::ticket::{Binding, Ticket};

/// How long a binding is remembered after it was last used. Clients keep tickets no longer.
const LIFE: Duration = Duration::from_secs(2 * 60 * 60);
/// Bindings that are remembered at most; those that were not used for longest go first.
const MOST: usize = 65_536;

/// What a data connection has to prove by resuming a TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataSession {
    /// Nothing; tickets are not looked at.
    Off,
    /// Nothing, but what `Require` would refuse goes into the log: to see before it is switched on.
    Observe,
    /// A ticket of another account or client is refused. None is needed of clients that resume nothing; one that has
    /// resumed, and must hold a ticket still, has to go on resuming.
    #[default]
    Prefer,
    /// A ticket of this account and client is needed, or under TLS 1.2 a session id, of which the server keeps some thousands for
    /// clients that take no tickets.
    Require,
}

/// Who holds tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The account, with its virtual host.
    pub(crate) account: Arc<[u8]>,
    /// The client's address, or its network where that counts as one client.
    pub(crate) client: IpAddr,
}

/// The TLS session of a control connection, and what its client has shown of it.
#[derive(Debug, Clone)]
pub(crate) struct Kin {
    /// What its tickets carry.
    pub(crate) own: Binding,
    /// What it was itself resumed from.
    pub(crate) resumed: Option<Binding>,
    /// Who is logged in.
    holder: Option<Holder>,
    habit: Arc<Habit>,
    place: Arc<Place>,
}

/// The place of a binding among those that are known. A binding that nobody has logged in with is forgotten with it.
#[derive(Debug)]
struct Place {
    kinships: Arc<Kinships>,
    own: Binding,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.kinships.ended(self.own);
    }
}

/// What a data connection shows by the session that it resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// That it belongs to the account and client of its control connection.
    Kinship,
    /// Nothing, but nothing foreign either: it resumes nothing, or what had shown nothing.
    Nothing,
    /// That it belongs elsewhere.
    Other,
}

/// What a data connection was given for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// A ticket that says the same.
    Kin,
    /// None, or one that proves nothing.
    Nothing,
}

/// Until when a client is sure to hold a ticket. Some use each only once (RFC 8446 §C.4), so that what they were given, and
/// did not give away to another session, is all that is sure.
#[derive(Debug, Default)]
struct Habit(Mutex<Habits>);

#[derive(Debug, Default)]
struct Habits {
    /// The ticket that was shown last, and when it came first.
    last: Option<(Ticket, Instant)>,
    holds_until: Option<Instant>,
}

impl Habit {
    fn lock(&self) -> MutexGuard<'_, Habits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds_ticket(&self, now: Instant) -> bool {
        self.lock().holds_until.is_some_and(|until| now < until)
    }

    /// A data connection has shown kinship by `ticket` and was given something.
    fn resumed(&self, ticket: Ticket, given: Given, now: Instant) {
        let mut habits = self.lock();
        let again = habits.last.filter(|(last, _)| *last == ticket).map(|(_, since)| since);
        habits.holds_until = match (given, again) {
            (Given::Kin, _) => Some(now + LIFE),
            // Whoever uses a ticket twice uses it again.
            (Given::Nothing, Some(since)) => Some(since + LIFE),
            (Given::Nothing, None) => None,
        };
        habits.last = Some((ticket, again.unwrap_or(now)));
    }

    /// What it was given may be used up.
    fn forget(&self) {
        self.lock().holds_until = None;
    }
}

impl Kin {
    /// Says who is logged in from here on; what the client holds already goes on counting as the last user's.
    pub(crate) fn belong_to(&mut self, holder: Option<Holder>) {
        self.holder = holder;
        if self.holder.is_some() {
            self.place.kinships.enter(self);
        }
    }
}

/// Whose a binding is.
#[derive(Debug)]
struct Known {
    /// Who is logged in with it, or was last; nobody yet.
    holder: Option<Holder>,
    habit: Arc<Habit>,
    last: Instant,
}

#[derive(Debug, Default)]
struct Table {
    known: HashMap<Binding, Known>,
    /// In the order in which they were used, as far as it was looked at.
    order: VecDeque<(Binding, Instant)>,
}

impl Table {
    fn note(&mut self, kin: &Kin, now: Instant) {
        let (holder, habit) = (kin.holder.clone(), Arc::clone(&kin.habit));
        let fresh = Known { holder, habit, last: now };
        if self.known.insert(kin.own, fresh).is_none() {
            self.order.push_back((kin.own, now));
        }
        while let Some((binding, at)) = self.order.front().copied() {
            let last = self.known.get(&binding).map(|known| known.last);
            match last {
                Some(last) if last > at => self.order.push_back((binding, last)),
                Some(_) if self.known.len() <= MOST && now < at + LIFE => return,
                Some(_) | None => drop(self.known.remove(&binding)),
            }
            self.order.pop_front();
        }
    }
}

/// Every binding that may still be in the hands of a client.
#[derive(Debug, Default)]
pub(crate) struct Kinships {
    table: Mutex<Table>,
    /// Someone has logged in, or will not.
    changed: Notify,
}

impl Kinships {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // A panic elsewhere leaves at most a binding without its place in the order.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A control connection has shaken hands, and was itself resumed from something. Nobody is logged in yet.
    pub(crate) fn note(known: &Arc<Self>, own: Binding, resumed: Option<Ticket>) -> Kin {
        let resumed = resumed.map(|ticket| ticket.binding).filter(|binding| *binding != Binding::UNPROVED);
        let place = Arc::new(Place { kinships: Arc::clone(known), own });
        let kin = Kin { own, resumed, holder: None, habit: Arc::default(), place };
        known.enter(&kin);
        kin
    }

    /// Notes whose a binding is.
    fn enter(&self, kin: &Kin) {
        let mut table = self.lock();
        table.note(kin, Instant::now());
        // What it was resumed from may have been the last ticket of that session.
        if let Some(known) = kin.resumed.and_then(|from| table.known.get(&from)) {
            known.habit.forget();
        }
        drop(table);
        self.changed.notify_waiters();
    }

    /// The session has ended: a binding that nobody logged in with proves nothing.
    fn ended(&self, own: Binding) {
        let mut table = self.lock();
        if table.known.get(&own).is_some_and(|known| known.holder.is_none()) {
            table.known.remove(&own);
            drop(table);
            self.changed.notify_waiters();
        }
    }

    /// What a data connection of `kin` shows by `ticket`; `None` if the user of that ticket has not logged in yet.
    fn look(&self, kin: &Kin, ticket: Option<Ticket>) -> Option<Shown> {
        let Some(binding) = ticket.map(|ticket| ticket.binding) else { return Some(Shown::Nothing) };
        if binding == Binding::UNPROVED {
            return Some(Shown::Nothing);
        }
        if binding == kin.own || Some(binding) == kin.resumed {
            return Some(Shown::Kinship);
        }
        let table = self.lock();
        let Some(known) = table.known.get(&binding) else { return Some(Shown::Other) };
        known.holder.as_ref().map(|holder| match Some(holder) == kin.holder.as_ref() {
            true => {
                known.habit.forget();
                Shown::Kinship
            }
            false => Shown::Other,
        })
    }

    /// Whether `ticket` is known to show kinship.
    pub(crate) fn knows(&self, kin: &Kin, ticket: Ticket) -> bool {
        self.look(kin, Some(ticket)) == Some(Shown::Kinship)
    }

    /// What a data connection shows. Clients that open several control connections at once may use a ticket of one whose
    /// login is still under way, which is waited for.
    pub(crate) async fn shown(&self, kin: &Kin, ticket: Option<Ticket>, patience: Duration) -> Shown {
        let looking = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(shown) = self.look(kin, ticket) {
                    return shown;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, looking).await.unwrap_or(Shown::Other)
    }

    /// Whether a data connection that shows nothing is refused.
    pub(crate) fn expects(&self, demanded: DataSession, kin: &Kin) -> bool {
        match demanded {
            DataSession::Off | DataSession::Observe => false,
            DataSession::Prefer => kin.habit.holds_ticket(Instant::now()),
            DataSession::Require => true,
        }
    }

    /// Whether a data connection that showed this may carry data, where so much is demanded; then the habits of its client
    /// are noted.
    pub(crate) fn admits(
        &self,
        demanded: DataSession,
        kin: &Kin,
        (shown, ticket, given): (Shown, Option<Ticket>, Given),
    ) -> bool {
        let now = Instant::now();
        let admitted = match (demanded, shown) {
            (DataSession::Off, _) | (_, Shown::Kinship) => true,
            (DataSession::Observe, _) => {
                tracing::info!("a data connection resumes no session of its login; observed only");
                true
            }
            (_, Shown::Nothing) => !self.expects(demanded, kin),
            (DataSession::Prefer | DataSession::Require, Shown::Other) => false,
        };
        match (ticket, shown) {
            (Some(ticket), Shown::Kinship) => {
                kin.habit.resumed(ticket, given, now);
                self.lock().note(kin, now);
            }
            _ if admitted => kin.habit.forget(),
            // Whoever was refused was not the client that holds the ticket.
            _ => {}
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin(kinships: &Arc<Kinships>, resumed: Option<Ticket>) -> Kin {
        let mut kin = Kinships::note(kinships, Binding::random(), resumed);
        kin.belong_to(Some(Holder { account: b"me"[..].into(), client: [192, 0, 2, 1].into() }));
        kin
    }

    fn ticket(of: &Kin, number: u8) -> Ticket {
        Ticket { binding: of.own, seal: [number; 16] }
    }

    /// Whether a full handshake is taken of a client that showed these tickets before, each in an upload or a download.
    fn full_handshake_after(shown: &[(u8, Given)]) -> bool {
        let kinships = Arc::default();
        let kin = kin(&kinships, None);
        for (number, given) in shown {
            let what = (Shown::Kinship, Some(ticket(&kin, *number)), *given);
            assert!(kinships.admits(DataSession::Prefer, &kin, what));
        }
        kinships.admits(DataSession::Prefer, &kin, (Shown::Nothing, None, Given::Nothing))
    }

    #[test]
    fn kinship_is_expected_of_those_who_hold_a_ticket() {
        assert!(full_handshake_after(&[]));
        assert!(full_handshake_after(&[(1, Given::Nothing), (2, Given::Nothing)]), "used up");
        assert!(full_handshake_after(&[(1, Given::Kin), (2, Given::Nothing)]), "used up again");
        assert!(!full_handshake_after(&[(1, Given::Kin)]), "a new one was given");
        assert!(!full_handshake_after(&[(1, Given::Nothing), (1, Given::Nothing)]), "it uses them again");
    }

    /// The only ticket of one session may have been used by another.
    #[test]
    fn a_ticket_that_another_session_has_used_is_not_expected() {
        let kinships = Arc::default();
        let me = kin(&kinships, None);
        let mine = ticket(&me, 1);
        for resumed in [None, Some(mine)] {
            assert!(kinships.admits(DataSession::Prefer, &me, (Shown::Kinship, Some(mine), Given::Kin)));
            let other = kin(&kinships, resumed);
            assert!(kinships.knows(&other, mine));
            assert!(kinships.admits(DataSession::Prefer, &me, (Shown::Nothing, None, Given::Nothing)));
        }
    }

    #[test]
    fn bindings_are_forgotten_in_the_order_of_their_use() {
        let (mut table, now) = (Table::default(), Instant::now());
        let elsewhere = Arc::default();
        let kins: Vec<Kin> = (0..3).map(|_| kin(&elsewhere, None)).collect();
        for (later, kin) in kins.iter().enumerate() {
            table.note(kin, now + Duration::from_secs(later as u64));
        }
        table.note(&kins[0], now + Duration::from_secs(10));
        table.note(&kin(&elsewhere, None), now + LIFE + Duration::from_secs(5));
        let known = |kin: &Kin| table.known.contains_key(&kin.own);
        assert_eq!(kins.iter().map(known).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(table.order.len(), table.known.len());
        for later in 0..MOST {
            table.note(&kin(&elsewhere, None), now + LIFE + Duration::from_micros(6_000_000 + later as u64));
        }
        assert_eq!((table.known.len(), table.order.len()), (MOST, MOST));
        assert!(!table.known.contains_key(&kins[0].own));
    }

    #[tokio::test]
    async fn a_session_that_ends_without_login_proves_nothing() {
        let kinships = Arc::default();
        let me = kin(&kinships, None);
        let nobody = Kinships::note(&kinships, Binding::random(), None);
        let ticket = ticket(&nobody, 1);
        let ends = async { drop(nobody) };
        let (shown, ()) = tokio::join!(kinships.shown(&me, Some(ticket), Duration::from_secs(60)), ends);
        assert_eq!(shown, Shown::Other);
    }
}
