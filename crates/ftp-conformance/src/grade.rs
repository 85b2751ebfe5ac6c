//! Grades a client: a scripted server that meets it with what real servers and networks do, and sees how it copes.
//!
//! Each connection is one trial; they come in turn. The client is asked to upload and download whatever it likes: a
//! trial ends with its control connection. In clear only: what is graded is how data connections and replies are handled.
//! Not here: TLS oddities, which need a client's own configuration.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a trial does to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// Nothing out of the ordinary.
    Ordinary,
    /// 227 announces a private address that leads nowhere.
    PrivatePasv,
    /// EPSV is unknown, as on old servers.
    NoEpsv,
    /// PASV is refused: only EPSV works.
    OnlyEpsv,
    /// PORT and EPRT are refused with 501.
    NoActive,
    /// The 150 comes late, after the data connection.
    Late150,
    /// Replies have several lines, with codes inside.
    ManyLines,
    /// The data connection is reset in the middle of the transfer, and 426 says so.
    DataReset,
    /// 421 comes in the middle of a transfer.
    Gone421,
    /// The transfer fails at once, and 425 says why.
    NoData425,
}

impl Trial {
    /// Every trial, in turn.
    pub const ALL: [Trial; 10] = [
        Self::Ordinary,
        Self::PrivatePasv,
        Self::NoEpsv,
        Self::OnlyEpsv,
        Self::NoActive,
        Self::Late150,
        Self::ManyLines,
        Self::DataReset,
        Self::Gone421,
        Self::NoData425,
    ];

    /// What is done, in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "nothing out of the ordinary",
            Self::PrivatePasv => "227 announces a private address that leads nowhere",
            Self::NoEpsv => "EPSV is unknown",
            Self::OnlyEpsv => "PASV is refused, EPSV works",
            Self::NoActive => "PORT and EPRT are refused",
            Self::Late150 => "150 comes after the data connection",
            Self::ManyLines => "replies of several lines, with codes inside",
            Self::DataReset => "the data connection is reset in the middle",
            Self::Gone421 => "421 in the middle of a transfer",
            Self::NoData425 => "425 in place of a transfer",
        }
    }

    /// Whether a good client transfers in the end.
    fn ends_well(self) -> bool {
        !matches!(self, Self::DataReset | Self::Gone421 | Self::NoData425)
    }
}

/// How a client coped with a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grade {
    /// The trial.
    pub trial: Trial,
    /// Transfers that came to their end.
    pub transfers: usize,
    /// What the client sent, passwords left out.
    pub said: Vec<String>,
}

impl Grade {
    /// The verdict in words; whether the client coped.
    #[must_use]
    pub fn verdict(&self) -> (bool, String) {
        let tried = self.said.iter().filter(|line| is_transfer(verb(line))).count();
        match (self.trial.ends_well(), self.transfers, tried) {
            (true, 0, 0) => (false, "it gave up before any transfer".to_owned()),
            (true, 0, _) => (false, "no transfer came to its end".to_owned()),
            (true, done, _) => (true, format!("{done} transfers came to their end")),
            (false, _, 0) => (false, "it gave up before any transfer".to_owned()),
            (false, _, _) if self.trial == Trial::Gone421 => (true, "it was told, and left".to_owned()),
            (false, ..) if self.said.last().is_some_and(|line| verb(line) == "QUIT") || tried > 1 => {
                (true, "it understood the failure, and went on".to_owned())
            }
            (false, ..) => (true, "it left after the failure".to_owned()),
        }
    }
}

fn verb(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn is_transfer(verb: &str) -> bool {
    matches!(verb, "STOR" | "RETR" | "LIST" | "NLST" | "MLSD" | "APPE")
}

/// Meets one client after the other; `told` hears of each when it has left.
///
/// # Errors
/// If connections cannot be accepted.
pub async fn grade(listener: TcpListener, rounds: usize, mut told: impl FnMut(&Grade)) -> io::Result<()> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..rounds {
        let (stream, _) = listener.accept().await?;
        let index = NEXT.fetch_add(1, Ordering::Relaxed) % Trial::ALL.len();
        let Some(trial) = Trial::ALL.get(index).copied() else { continue };
        let mut session = Session::new(stream, trial)?;
        // A client that breaks off has said all that it will.
        let _ended = session.run().await;
        told(&session.grade);
    }
    Ok(())
}

/// Where the next data connection comes from.
enum Endpoint {
    None,
    Listening(TcpListener),
    Dial(SocketAddr),
}

struct Session {
    control: BufReader<TcpStream>,
    own: IpAddr,
    trial: Trial,
    endpoint: Endpoint,
    grade: Grade,
}

/// A client that says nothing for so long has left.
const QUIET: Duration = Duration::from_secs(60);
/// What is downloaded.
const CONTENT: &[u8] = b"what the server has\r\n";

impl Session {
    fn new(stream: TcpStream, trial: Trial) -> io::Result<Self> {
        let own = stream.local_addr()?.ip();
        let grade = Grade { trial, transfers: 0, said: Vec::new() };
        Ok(Self { control: BufReader::new(stream), own, trial, endpoint: Endpoint::None, grade })
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        let text = match (self.trial, reply.split_once(' ')) {
            // Codes in the lines between are text (RFC 959 §4.2).
            (Trial::ManyLines, Some((code, text))) if !matches!(code, "227" | "229" | "150") => {
                format!("{code}-{text}\r\n 226 is not the end\r\n 999 neither\r\n{code} {text}\r\n")
            }
            _ => format!("{reply}\r\n"),
        };
        self.control.get_mut().write_all(text.as_bytes()).await
    }

    async fn run(&mut self) -> io::Result<()> {
        self.say("220 ready").await?;
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(QUIET, self.control.read_line(&mut line)).await;
            if !matches!(read, Ok(Ok(1..))) {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            let shown =
                if verb(&line).eq_ignore_ascii_case("PASS") { "PASS …".to_owned() } else { line.clone() };
            self.grade.said.push(shown);
            let (word, argument) = line.split_once(' ').unwrap_or((&line, ""));
            match word.to_ascii_uppercase().as_str() {
                "USER" => self.say("331 password, please").await?,
                "PASS" => self.say("230 welcome").await?,
                "SYST" => self.say("215 UNIX Type: L8").await?,
                "PWD" => self.say("257 \"/\" is the place").await?,
                "TYPE" | "NOOP" | "CWD" | "MODE" | "STRU" | "OPTS" | "ALLO" => self.say("200 fine").await?,
                "SIZE" => self.say(&format!("213 {}", CONTENT.len())).await?,
                "MDTM" => self.say("213 20260101000000").await?,
                "EPSV" | "PASV" => self.passive(&word.to_ascii_uppercase()).await?,
                "PORT" | "EPRT" => self.active(&word.to_ascii_uppercase(), argument).await?,
                "QUIT" => return self.say("221 goodbye").await,
                other if is_transfer(other) => {
                    if !self.transfer(other).await? {
                        return Ok(());
                    }
                }
                _ => self.say("502 not here").await?,
            }
        }
    }

    async fn passive(&mut self, word: &str) -> io::Result<()> {
        match (self.trial, word) {
            (Trial::NoEpsv, "EPSV") => return self.say("500 EPSV not understood").await,
            (Trial::OnlyEpsv, "PASV") => return self.say("502 use EPSV").await,
            (Trial::PrivatePasv, "EPSV") => return self.say("500 EPSV not understood").await,
            _ => {}
        }
        let listener = TcpListener::bind((self.own, 0)).await?;
        let port = listener.local_addr()?.port();
        self.endpoint = Endpoint::Listening(listener);
        let [high, low] = port.to_be_bytes();
        let reply = match (word, self.own, self.trial) {
            ("EPSV", ..) => format!("229 Entering Extended Passive Mode (|||{port}|)"),
            (_, _, Trial::PrivatePasv) => format!("227 Entering Passive Mode (192,168,254,253,{high},{low})"),
            (_, IpAddr::V4(own), _) => {
                let [a, b, c, d] = own.octets();
                format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})")
            }
            (_, IpAddr::V6(_), _) => "522 use EPSV".to_owned(),
        };
        self.say(&reply).await
    }

    async fn active(&mut self, word: &str, argument: &str) -> io::Result<()> {
        if self.trial == Trial::NoActive {
            return self.say("501 you are behind NAT; use passive mode").await;
        }
        let address = if word == "PORT" { port_argument(argument) } else { eprt_argument(argument) };
        match address {
            Some(address) => {
                self.endpoint = Endpoint::Dial(address);
                self.say("200 noted").await
            }
            None => self.say("501 no such address").await,
        }
    }

    async fn connect(&mut self) -> Option<TcpStream> {
        let within = Duration::from_secs(10);
        match std::mem::replace(&mut self.endpoint, Endpoint::None) {
            Endpoint::None => None,
            Endpoint::Listening(listener) => {
                tokio::time::timeout(within, listener.accept()).await.ok()?.ok().map(|(stream, _)| stream)
            }
            Endpoint::Dial(to) => tokio::time::timeout(within, TcpStream::connect(to)).await.ok()?.ok(),
        }
    }

    /// Whether the session goes on.
    async fn transfer(&mut self, word: &str) -> io::Result<bool> {
        if self.trial == Trial::NoData425 {
            self.endpoint = Endpoint::None;
            self.say(
                "425 No data connection: a firewall probably blocks TCP 40000-50000. Nothing was written.",
            )
            .await?;
            return Ok(true);
        }
        if self.trial != Trial::Late150 {
            self.say("150 here it comes").await?;
        }
        let Some(mut data) = self.connect().await else {
            self.say("425 No data connection.").await?;
            return Ok(true);
        };
        if self.trial == Trial::Late150 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            self.say("150 here it comes").await?;
        }
        if matches!(self.trial, Trial::DataReset | Trial::Gone421) {
            socket2::SockRef::from(&data).set_linger(Some(Duration::ZERO))?;
            drop(data);
            let gone = self.trial == Trial::Gone421;
            self.say(if gone { "421 The server is stopping." } else { "426 The data connection broke." })
                .await?;
            return Ok(!gone);
        }
        match word {
            "STOR" | "APPE" => drop(data.read_to_end(&mut Vec::new()).await?),
            _ => {
                data.write_all(CONTENT).await?;
                data.shutdown().await?;
            }
        }
        drop(data);
        self.grade.transfers += 1;
        self.say("226 done").await?;
        Ok(true)
    }
}

/// `h1,h2,h3,h4,p1,p2` (RFC 959 §5.3.2).
fn port_argument(argument: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = argument.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    match numbers.as_slice() {
        [a, b, c, d, high, low] => {
            Some(SocketAddr::from(([*a, *b, *c, *d], u16::from_be_bytes([*high, *low]))))
        }
        _ => None,
    }
}

/// `|family|address|port|` (RFC 2428 §2).
fn eprt_argument(argument: &str) -> Option<SocketAddr> {
    let delimiter = argument.chars().next()?;
    let mut fields = argument.split(delimiter).skip(2);
    let (address, port) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_client_is_graded() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = tokio::spawn(async move {
            let mut control = BufReader::new(TcpStream::connect(address).await.unwrap());
            let mut line = String::new();
            control.read_line(&mut line).await.unwrap();
            let mut port = 0;
            for ask in ["USER me", "PASS x", "EPSV", "RETR f", "QUIT"] {
                control.get_mut().write_all(format!("{ask}\r\n").as_bytes()).await.unwrap();
                line.clear();
                control.read_line(&mut line).await.unwrap();
                if ask == "EPSV" {
                    port = line.split('|').nth(3).unwrap().parse().unwrap();
                }
                if ask == "RETR f" {
                    let mut data = TcpStream::connect((address.ip(), port)).await.unwrap();
                    let mut got = Vec::new();
                    data.read_to_end(&mut got).await.unwrap();
                    assert_eq!(got, CONTENT);
                    control.read_line(&mut line).await.unwrap();
                }
            }
        });
        let mut grades = Vec::new();
        grade(listener, 1, |grade| grades.push(grade.clone())).await.unwrap();
        client.await.unwrap();
        let [grade] = grades.as_slice() else { panic!("{grades:?}") };
        assert_eq!((grade.trial, grade.transfers, grade.verdict().0), (Trial::Ordinary, 1, true));
        assert!(!format!("{:?}", grade.said).contains("PASS x"), "passwords are left out");
        let lost = Grade { transfers: 0, ..grade.clone() };
        assert_eq!(lost.verdict(), (false, "no transfer came to its end".to_owned()));
    }

    #[test]
    fn addresses_of_active_mode() {
        assert_eq!(port_argument("127,0,0,1,200,10"), Some("127.0.0.1:51210".parse().unwrap()));
        assert_eq!(eprt_argument("|2|::1|5000|"), Some("[::1]:5000".parse().unwrap()));
        assert_eq!((port_argument("1,2"), eprt_argument("")), (None, None));
    }
}
