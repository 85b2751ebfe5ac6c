//! Passwords are verified on a few threads of their own: one address cannot keep the others waiting.
//!
//! Each address, of IPv6 each network of 64 bits, has a queue of its own, and they take turns. Who asks for what is asked
//! already waits for the same answer. A thread that finds nothing to do ends, and the memory that argon2 wants ends with it.
//! Not here: what a hash is (`hash.rs`), and which passwords need none (`remembered.rs`).

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftp_proto::value::text::Password;
use tokio::sync::oneshot;

use crate::auth::hash::{Cost, Hash, Memory};
use crate::auth::remembered::Mark;
use crate::limits::network;

/// Passwords that are verified at once; each takes some tens of milliseconds of a core and, by default, 19 MiB.
const THREADS_MAX: usize = 2;
/// Entries of one queue before those are taken out that nobody waits for any more.
const STALE: usize = 64;

/// What is to be verified.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) hash: Arc<Hash>,
    pub(super) password: Password,
    /// What a wrong password costs beside, so that all cost the same.
    pub(super) surcharge: Option<Cost>,
}

impl Question {
    fn answer(&self, memory: &mut Memory) -> bool {
        let password = self.password.reveal();
        let right = self.hash.is_of(password, memory);
        if let Some(surcharge) = self.surcharge.as_ref().filter(|_| !right) {
            surcharge.pay(password, memory);
        }
        right
    }
}

/// A question and who waits for its answer.
struct Asked {
    question: Question,
    waiting: Vec<oneshot::Sender<bool>>,
    /// Whether a thread is at it.
    state: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waits,
    Runs,
}

impl Asked {
    fn is_wanted(&self) -> bool {
        self.state == Progress::Runs || self.waiting.iter().any(|waiting| !waiting.is_closed())
    }
}

#[derive(Default)]
struct Queue {
    asked: HashMap<Mark, Asked>,
    /// Those who wait, in the order of their turns, and what for. A mark that was answered meanwhile is passed over.
    turns: VecDeque<IpAddr>,
    of: HashMap<IpAddr, VecDeque<Mark>>,
    threads: usize,
}

impl Queue {
    /// Puts a question last among those of its asker.
    fn put(&mut self, asker: IpAddr, mark: Mark, question: Question) -> oneshot::Receiver<bool> {
        let (sender, answer) = oneshot::channel();
        let fresh = || Asked { question, waiting: Vec::new(), state: Progress::Waits };
        self.asked.entry(mark.clone()).or_insert_with(fresh).waiting.push(sender);
        let own = self.of.entry(asker).or_default();
        if own.is_empty() {
            self.turns.push_back(asker);
        }
        own.push_back(mark);
        if own.len() > STALE {
            self.asked.retain(|_, asked| asked.is_wanted());
            own.retain(|mark| self.asked.contains_key(mark));
        }
        answer
    }

    /// The question of whoever has the next turn.
    fn take(&mut self) -> Option<(Mark, Question)> {
        while let Some(asker) = self.turns.pop_front() {
            let Some(own) = self.of.get_mut(&asker) else { continue };
            let mark = own.pop_front();
            match own.is_empty() {
                true => drop(self.of.remove(&asker)),
                false => self.turns.push_back(asker),
            }
            let Some(mark) = mark else { continue };
            let Some(asked) = self.asked.get_mut(&mark) else { continue };
            if !asked.is_wanted() {
                self.asked.remove(&mark);
            } else if asked.state == Progress::Waits {
                asked.state = Progress::Runs;
                return Some((mark, asked.question.clone()));
            }
        }
        None
    }
}

/// The questions of everyone, and the threads that answer them.
#[derive(Default)]
pub(super) struct Verifications(Arc<Mutex<Queue>>);

impl std::fmt::Debug for Verifications {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Verifications")
            .field("threads", &lock(&self.0).threads)
            .finish_non_exhaustive()
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing in here panics half way.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Verifications {
    /// Whether the password is right; `None` if it cannot be found out. `mark` stands for the question.
    pub(super) async fn ask(&self, peer: IpAddr, mark: Mark, question: Question) -> Option<bool> {
        let answer = {
            let mut queue = lock(&self.0);
            let answer = queue.put(network(peer), mark, question);
            if queue.threads < THREADS_MAX {
                let own = Arc::clone(&self.0);
                let named = std::thread::Builder::new().name("passwords".to_owned());
                match named.spawn(move || work(&own)) {
                    Ok(_ends_by_itself) => queue.threads += 1,
                    Err(_) if queue.threads > 0 => {}
                    Err(error) => {
                        tracing::error!(%error, "passwords cannot be verified: no thread can be started");
                        *queue = Queue::default();
                    }
                }
            }
            answer
        };
        answer.await.ok()
    }
}

/// Answers questions until there are none.
fn work(queue: &Mutex<Queue>) {
    let mut memory = Memory::default();
    loop {
        let (mark, question) = {
            let mut queue = lock(queue);
            let Some(next) = queue.take() else {
                queue.threads -= 1;
                return;
            };
            next
        };
        let right = catch_unwind(AssertUnwindSafe(|| question.answer(&mut memory))).unwrap_or(false);
        let asked = lock(queue).asked.remove(&mark);
        for waiting in asked.into_iter().flat_map(|asked| asked.waiting) {
            // Whoever has left does not want it.
            let _gone = waiting.send(right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::remembered::Remembered;

    fn question(password: &str) -> Question {
        static HASH: std::sync::OnceLock<Arc<Hash>> = std::sync::OnceLock::new();
        let hash = || Arc::new(Hash::parse(&crate::auth::hash_password(b"right").unwrap()).unwrap());
        Question {
            hash: Arc::clone(HASH.get_or_init(hash)),
            password: Password::new(password).unwrap(),
            surcharge: None,
        }
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn addresses_take_turns_and_questions_without_askers_are_passed_over() {
        let (remembered, mut queue) = (Remembered::new(), Queue::default());
        let mark = |name: &str| remembered.mark(b"hash", name.as_bytes());
        let mut put = |last, name: &str| queue.put(from(last), mark(name), question(name));
        let mut kept = vec![put(1, "a"), put(1, "b")];
        drop(put(1, "gone"));
        kept.extend([put(1, "c"), put(2, "d"), put(3, "e"), put(3, "a"), put(3, "f")]);
        let order = std::iter::from_fn(|| queue.take()).map(|(mark, _)| mark).collect::<Vec<_>>();
        // The third waits for `a` with the first.
        assert_eq!(order, ["a", "d", "e", "b", "f", "c"].map(mark));
        assert!(queue.turns.is_empty() && queue.of.is_empty());
        assert_eq!(queue.asked.get(&mark("a")).unwrap().waiting.len(), 2);
    }

    #[test]
    fn whoever_asks_and_leaves_fills_nothing() {
        let (remembered, mut queue) = (Remembered::new(), Queue::default());
        for number in 0..10_000_u32 {
            drop(queue.put(from(1), remembered.mark(b"hash", &number.to_be_bytes()), question("x")));
        }
        assert!(queue.asked.len() <= STALE + 1 && queue.of[&from(1)].len() <= STALE + 1);
    }

    #[tokio::test]
    async fn threads_end_when_there_is_nothing_to_do() {
        let (remembered, verifications) = (Remembered::new(), Verifications::default());
        let ask = |password: &'static str| {
            verifications.ask(from(1), remembered.mark(b"hash", password.as_bytes()), question(password))
        };
        let answers = tokio::join!(ask("right"), ask("wrong"), ask("right"), ask("also wrong"));
        assert_eq!(answers, (Some(true), Some(false), Some(true), Some(false)));
        let ended = async {
            while lock(&verifications.0).threads > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), ended).await.expect("they end");
        assert!(lock(&verifications.0).asked.is_empty());
        assert_eq!(ask("right").await, Some(true), "and come again");
    }
}
