//! Removes what broken uploads have left behind: at the start, when the users are read anew, and every few hours.
//!
//! Not here: what that is (`LocalStorage::sweep`).

use std::time::Duration;

use ftp_server::storage::LocalStorage;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often: what is kept for a day is gone a quarter of a day later at most. Each time every name below the folders is read.
const EVERY: Duration = Duration::from_hours(6);

/// Sweeps the folders of the moment, for ever.
pub(crate) async fn keep_sweeping(mut folders: watch::Receiver<Vec<LocalStorage>>) {
    loop {
        let now = outermost(folders.borrow_and_update().clone());
        for folder in now {
            match folder.sweep().await {
                0 => {}
                removed => {
                    tracing::info!(removed, folder = %folder.path().display(), "remains of broken uploads were removed");
                }
            }
        }
        if let Ok(Err(_)) = timeout(EVERY, folders.changed()).await {
            // Nobody reads the users anew any more.
            sleep(EVERY).await;
        }
    }
}

/// Each folder once: a sweep goes down into those that lie within.
fn outermost(mut folders: Vec<LocalStorage>) -> Vec<LocalStorage> {
    folders.sort_by(|one, other| one.path().cmp(other.path()));
    folders.dedup_by(|inner, outer| inner.path().starts_with(outer.path()));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftp_server::storage::LocalOptions;

    #[test]
    fn folders_within_others_are_swept_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            LocalStorage::new(path, LocalOptions::default()).unwrap()
        };
        let folders = ["a/b", "a", "a-c", "a", "d/e"].map(folder).to_vec();
        let left = outermost(folders);
        let left: Vec<_> =
            left.iter().map(|folder| folder.path().strip_prefix(root.path()).unwrap()).collect();
        assert_eq!(left, ["a", "a-c", "d/e"].map(std::path::Path::new));
    }
}
