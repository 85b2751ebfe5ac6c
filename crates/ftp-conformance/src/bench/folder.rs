//! What a case needs on the server: made before, removed afterwards.

use std::io;

use crate::bench::client::{Cargo, Place, Session, tls};
use crate::bench::{Case, Settings};

/// Octets of a small file.
pub(super) const SMALL: usize = 4096;

/// A directory of the benchmark on the server.
pub(super) struct Folder {
    place: Place,
    name: String,
    files: Vec<String>,
    /// What `get`, `put` and their like move.
    pub(super) cargo: Cargo,
    /// What is downloaded or listed.
    pub(super) path: String,
}

impl Folder {
    /// Makes what the case needs.
    pub(super) fn prepare(case: Case, settings: &Settings) -> io::Result<Self> {
        let size = match case {
            Case::Get | Case::Put | Case::Mixed => settings.size,
            _ => SMALL,
        };
        let name = format!("ftp-bench-{}", std::process::id());
        let mut folder = Self {
            place: settings.place(),
            path: format!("{name}/file"),
            name,
            files: Vec::new(),
            cargo: Cargo::new(size)?,
        };
        let mut session = Session::open(&folder.place, tls().map_err(io::Error::other)?)?;
        session.command(&format!("MKD {}", folder.name), 2)?;
        let made = match (case, &settings.path) {
            (Case::Get | Case::Mixed | Case::List | Case::Mlsd, Some(path)) => {
                folder.path.clone_from(path);
                Ok(())
            }
            (Case::Get | Case::Mixed | Case::SmallGet | Case::Churn, _) => folder.upload_one(&mut session),
            (Case::List | Case::Mlsd, None) => folder.fill(&mut session, settings.count),
            (Case::Put | Case::SmallPut | Case::Login | Case::LoginResumed | Case::Idle, _) => Ok(()),
        };
        match made {
            Ok(()) => Ok(folder),
            Err(error) => {
                // The first error tells more.
                let _left = folder.remove();
                Err(error)
            }
        }
    }

    /// The file that is downloaded, checked octet by octet this once.
    fn upload_one(&mut self, session: &mut Session) -> io::Result<()> {
        self.files.push("file".to_owned());
        session.put(&format!("STOR {}", self.path), &self.cargo)?;
        self.compare(session, &self.path)
    }

    /// Whether a file on the server has the octets that it should have.
    pub(super) fn compare(&self, session: &mut Session, path: &str) -> io::Result<()> {
        if session.fetch(&format!("RETR {path}"))? == self.cargo.octets {
            return Ok(());
        }
        Err(io::Error::other(format!("the server has other octets in {path} than were sent")))
    }

    fn fill(&mut self, session: &mut Session, count: usize) -> io::Result<()> {
        self.path.clone_from(&self.name);
        let empty = Cargo::new(0)?;
        for index in 0..count {
            let name = format!("entry-{index:07}");
            session.put(&format!("STOR {}/{name}", self.name), &empty)?;
            self.files.push(name);
        }
        Ok(())
    }

    /// A path of this directory that the case may write to; it is removed with the others.
    pub(super) fn target(&self, index: usize) -> String {
        format!("{}/put-{index}", self.name)
    }

    /// Removes everything.
    pub(super) fn remove(self) -> io::Result<()> {
        let mut session = Session::open(&self.place, tls().map_err(io::Error::other)?)?;
        for name in &self.files {
            session.command(&format!("DELE {}/{name}", self.name), 2)?;
        }
        // Each thread has written to one of its own; how many there were is not known here.
        let mut index = 0;
        while session.command(&format!("DELE {}", self.target(index)), 2).is_ok() {
            index += 1;
        }
        session.command(&format!("RMD {}", self.name), 2).map(drop)
    }
}
