//! `ftp-server partial`: what is kept of broken uploads, for operators.
//!
//! It works on the folder itself, whether a server runs or not: a lock of the kernel keeps it from what a client goes on with. Not
//! here: what is kept, and for how long (`LocalStorage`).

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use ftp_server::storage::{
    Create, KeptUpload, LocalOptions, LocalStorage, Storage, StorageError, VPath, Writing,
};

use crate::cli::{Partial, PartialArgs};
use crate::log::say;

/// `ftp-server partial`
pub(crate) fn partial(what: &Partial) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        match what {
            Partial::List { folder } => list(folder).await,
            Partial::Publish(args) => publish(args).await,
            Partial::Drop(args) => drop_kept(args).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn open(folder: &Path, options: LocalOptions) -> Result<LocalStorage, String> {
    LocalStorage::new(folder, options).map_err(|error| format!("{}: {error}", folder.display()))
}

async fn list(folder: &Path) -> Result<(), String> {
    let storage = open(folder, LocalOptions::default())?;
    for kept in storage.kept_uploads().await {
        say!("{}", line(&kept, storage.path(), SystemTime::now()));
    }
    Ok(())
}

/// What is told of a partial in one line.
fn line(kept: &KeptUpload, folder: &Path, now: SystemTime) -> String {
    let minutes = now.duration_since(kept.modified).map_or(0, |age| age.as_secs() / 60);
    let whose = match kept.owner.as_deref().and_then(|owner| owner.split_once('/')) {
        Some(("", user)) => format!("of {user}"),
        Some((host, user)) => format!("of {user} at {host}"),
        None => "of a user that is not known".to_owned(),
    };
    let path = kept.path.strip_prefix(folder).unwrap_or(&kept.path);
    // A name may hold what a terminal would take for a command.
    format!("{:?} {whose}: {} octets, {} h {} min old", path, kept.octets, minutes / 60, minutes % 60)
}

/// The storage as that user has it, the file, and how many octets are kept.
async fn find(args: &PartialArgs) -> Result<(LocalStorage, VPath, u64), String> {
    let owner = format!("{}/{}", args.host.to_ascii_lowercase(), args.user);
    let storage = open(&args.folder, LocalOptions::default().owner(owner))?;
    let file = VPath::new(format!("/{}", args.file.trim_start_matches('/')))
        .map_err(|error| format!("{}: {error}", args.file))?;
    match storage.kept(&file).await.map_err(|error| format!("{file}: {error}"))? {
        Some(octets) => Ok((storage, file, octets)),
        None => Err(format!("nothing is kept of an upload to {file} by {}", args.user)),
    }
}

async fn publish(args: &PartialArgs) -> Result<(), String> {
    let (storage, file, _) = find(args).await?;
    let published = match storage.write(&file, Create::Append).await {
        Ok(Writing { sink, .. }) => sink.commit(Vec::new()).await.map_err(|failed| failed.why),
        // The file that is there is left alone.
        Err(StorageError::KeptBeside(_)) => Err(StorageError::Exists),
        Err(why) => Err(why),
    };
    let stored = published.map_err(|why| format!("{file}: {why}"))?;
    say!("{file}: {} octets", stored.size);
    Ok(())
}

async fn drop_kept(args: &PartialArgs) -> Result<(), String> {
    let (storage, file, octets) = find(args).await?;
    let begun = storage.write(&file, Create::At(octets)).await;
    begun.map_err(|why| format!("{file}: {why}"))?.sink.discard().await;
    say!("{file}: {octets} octets were removed");
    Ok(())
}
