//! How many threads may wait for one folder, and for one file system: a mount that hangs must not take all that there are.
//!
//! Not here: what they wait for. Transfers under way have been let in when they began.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::storage::StorageError;
use crate::storage::local::host::blocking;

/// Threads that may wait for one folder, what is mounted below it included.
const FOLDER_MAX: usize = 64;
/// Threads that may wait for the file system on which folders lie, those of all users.
const DEVICE_MAX: usize = 192;
/// After so long without a thread becoming free nothing moves there, and who asks is told so.
const PATIENCE: Duration = Duration::from_secs(10);

/// File systems by device, as long as a folder on them is in use.
static DEVICES: Mutex<BTreeMap<u64, Weak<Semaphore>>> = Mutex::new(BTreeMap::new());

/// The way to the threads that may wait for a folder.
#[derive(Debug)]
pub(super) struct Gate {
    folder: Arc<Semaphore>,
    /// Once it is known where the folder lies.
    device: Mutex<Option<Arc<Semaphore>>>,
}

/// Held by a thread that may wait, for as long as it does.
#[derive(Debug)]
struct Pass {
    _folder: OwnedSemaphorePermit,
    _device: Option<OwnedSemaphorePermit>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { folder: Arc::new(Semaphore::new(FOLDER_MAX)), device: Mutex::default() }
    }
}

impl Gate {
    /// From now on the folder lies on this device.
    pub(super) fn lies_on(&self, device: u64) {
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|_, semaphore| semaphore.strong_count() > 0);
        let known = devices.get(&device).and_then(Weak::upgrade);
        let semaphore = known.unwrap_or_else(|| {
            let semaphore = Arc::new(Semaphore::new(DEVICE_MAX));
            devices.insert(device, Arc::downgrade(&semaphore));
            semaphore
        });
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = Some(semaphore);
    }

    /// Runs `work` where it may wait, once there is room.
    ///
    /// Fails with `Unavailable` if there is none for a while.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let pass = self.enter(PATIENCE).await?;
        let working = move || {
            let _pass = pass;
            work()
        };
        blocking(working).await
    }

    async fn enter(&self, patience: Duration) -> Result<Pass, StorageError> {
        let device = self.device.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let entering = async {
            let folder = Arc::clone(&self.folder).acquire_owned().await.ok()?;
            Some(match device {
                Some(device) => Pass { _folder: folder, _device: Some(device.acquire_owned().await.ok()?) },
                None => Pass { _folder: folder, _device: None },
            })
        };
        tokio::time::timeout(patience, entering).await.ok().flatten().ok_or(StorageError::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);
    /// No file system has this number.
    const DEVICE: u64 = u64::MAX;

    #[tokio::test]
    async fn a_folder_that_hangs_refuses_after_a_while_and_leaves_room_for_others() {
        let (hanging, healthy) = (Gate::default(), Gate::default());
        hanging.lies_on(DEVICE);
        healthy.lies_on(DEVICE);
        let mut passes = Vec::new();
        for _ in 0..FOLDER_MAX {
            passes.push(hanging.enter(MOMENT).await.unwrap());
        }
        assert_eq!(hanging.enter(MOMENT).await.map(drop), Err(StorageError::Unavailable));
        assert!(healthy.enter(MOMENT).await.is_ok());
        passes.pop();
        assert!(hanging.enter(MOMENT).await.is_ok(), "it has come back");
    }

    #[tokio::test]
    async fn many_folders_of_a_file_system_that_hangs_are_bounded_too() {
        let mut passes = Vec::new();
        for folder in 0..=DEVICE_MAX / FOLDER_MAX {
            let gate = Gate::default();
            gate.lies_on(DEVICE - 1);
            for _ in 0..FOLDER_MAX {
                passes.extend(gate.enter(MOMENT).await.ok());
            }
            assert_eq!(passes.len(), DEVICE_MAX.min((folder + 1) * FOLDER_MAX));
        }
        let elsewhere = Gate::default();
        elsewhere.lies_on(DEVICE - 2);
        assert!(elsewhere.enter(MOMENT).await.is_ok());
    }
}
