//! The socket at which the running server answers `ftp-server doctor`: one text for each who connects.
//!
//! Not here: what the text says (`doctor.rs`).

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::doctor::{Known, tell};
use crate::identity::privately;

/// How long somebody who asks may take to read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many are answered at once; others wait.
const ASKERS_MAX: usize = 8;
/// Whoever could not be let in is tried again after this.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the log tells that somebody cannot be let in.
const TOLD_AFTER: Duration = Duration::from_secs(60);

/// The socket that `ftp-server doctor` connects to; what belongs to somebody else is left alone.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        // What cannot be made is told by the bind.
        let _there = std::fs::create_dir_all(folder);
    }
    match std::fs::symlink_metadata(path) {
        Err(_) => {}
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::other("there is something else at that path; it is left as it is"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::Error::other("another server answers there; give one of them another --doctor"));
        }
        // Left from an earlier run.
        Ok(_) => std::fs::remove_file(path)?,
    }
    UnixListener::bind(path)
}

/// Answers whoever asks, until the server ends; without a socket the server works all the same.
pub(crate) fn answer(path: &Path, known: Known) {
    match privately(|| bind(path)) {
        Ok(listener) => drop(tokio::spawn(keep_answering(path.to_owned(), listener, Arc::new(known)))),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "`ftp-server doctor` will not find this server");
        }
    }
}

async fn keep_answering(path: PathBuf, listener: UnixListener, known: Arc<Known>) {
    let places = Arc::new(Semaphore::new(ASKERS_MAX));
    let mut told: Option<Instant> = None;
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((mut stream, _)) => {
                let known = Arc::clone(&known);
                tokio::spawn(async move {
                    let text = tell(&known);
                    // Who asked may have left, or does not read.
                    let _gone = timeout(PATIENCE, stream.write_all(text.as_bytes())).await;
                    drop(place);
                });
            }
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= TOLD_AFTER) {
                    told = Some(Instant::now());
                    tracing::warn!(path = %path.display(), %error, "`ftp-server doctor` cannot be answered");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_answers_at_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, socket) = (folder.path().join("file"), folder.path().join("new/socket"));
        std::fs::write(&file, "precious").unwrap();
        assert!(bind(&file).unwrap_err().to_string().contains("something else"));
        assert_eq!(std::fs::read(&file).unwrap(), b"precious");
        let first = bind(&socket).unwrap();
        assert!(bind(&socket).unwrap_err().to_string().contains("another server"));
        drop(first);
        assert!(bind(&socket).is_ok());
    }
}
