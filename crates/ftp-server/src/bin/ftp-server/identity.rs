//! The self-signed certificate of a server that was given none, made once and kept.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustls::pki_types::CertificateDer;

/// Where the daemon keeps what it makes: `$STATE_DIRECTORY` (systemd), `$XDG_STATE_HOME` or `~/.local/state`.
pub(crate) fn state_folder() -> Result<PathBuf, String> {
    if let Some(folder) = std::env::var_os("STATE_DIRECTORY") {
        return Ok(PathBuf::from(folder));
    }
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")));
    base.map(|base| base.join("ftp-server")).ok_or_else(|| {
        "there is no HOME to keep state in: set XDG_STATE_HOME, or give --cert and --key, and --doctor"
            .to_owned()
    })
}

/// Makes something that is nobody else's business: sockets and files are closed to others from their first moment, whatever
/// umask was inherited, which stays that of stored files.
pub(crate) fn privately<T>(make: impl FnOnce() -> T) -> T {
    let inherited = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let made = make();
    rustix::process::umask(inherited);
    made
}

/// The files of the certificate and its key, made now if they are not there.
pub(crate) fn self_signed(folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if cert.exists() && key.exists() {
        // Made by an earlier version, or copied: it is this server's own, and nobody else's.
        let _not_owner = fs::set_permissions(&key, fs::Permissions::from_mode(0o600));
        return Ok((cert, key));
    }
    let failed = |error: &dyn std::fmt::Display| {
        format!("no certificate can be made in {}: {error}", folder.display())
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name.is_ascii()));
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
    let write = |path: &Path, mode: u32, text: &str| {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        // One that was there keeps its mode otherwise.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())
    };
    write(&key, 0o600, &made.signing_key.serialize_pem()).map_err(|error| failed(&error))?;
    write(&cert, 0o644, &made.cert.pem()).map_err(|error| failed(&error))?;
    Ok((cert, key))
}

/// The SHA-256 fingerprint as clients show it.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(certificate.as_ref());
    digest.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}
