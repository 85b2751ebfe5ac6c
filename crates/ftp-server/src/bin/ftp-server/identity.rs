//! The self-signed certificate of a server that was given none, made once and kept.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustix::fs::Mode;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the certificate is good: it is kept, and who trusts it should not have to look at it again soon.
const LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

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

/// The files of the certificate and its key, made now if they are not there, for this host's name and `addresses`.
pub(crate) fn self_signed(folder: &Path, addresses: &[IpAddr]) -> Result<(PathBuf, PathBuf), String> {
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
    let key_pair = KeyPair::generate().map_err(|error| failed(&error))?;
    let made = certificate(addresses)
        .and_then(|terms| terms.self_signed(&key_pair))
        .map_err(|error| failed(&error))?;
    let write = |path: &Path, mode: u32, text: &str| {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        // One that was there keeps its mode otherwise.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())
    };
    write(&key, 0o600, &key_pair.serialize_pem()).map_err(|error| failed(&error))?;
    write(&cert, 0o644, &made.pem()).map_err(|error| failed(&error))?;
    Ok((cert, key))
}

/// What the certificate says: who it is for, and for how long.
fn certificate(addresses: &[IpAddr]) -> Result<CertificateParams, rcgen::Error> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|name| !name.is_empty() && name.is_ascii()).unwrap_or("localhost");
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), host.to_owned()];
    names.extend(addresses.iter().map(IpAddr::to_string));
    names.sort();
    names.dedup();
    let mut terms = CertificateParams::new(names)?;
    terms.distinguished_name = DistinguishedName::new();
    terms.distinguished_name.push(DnType::CommonName, host);
    terms.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Clocks of clients may be behind.
    terms.not_before = rcgen::date_time_ymd(1970, 1, 1) + now.saturating_sub(DAY);
    terms.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + LIFE;
    Ok(terms)
}

/// The addresses by which other machines reach this one, without those of one link: what is listened at, or all where that is
/// any.
pub(crate) fn addresses(listened: &[IpAddr]) -> Vec<IpAddr> {
    let any = listened.is_empty() || listened.iter().any(IpAddr::is_unspecified);
    let own = if any { [own_v4(), own_v6()].concat() } else { Vec::new() };
    let near = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    listened.iter().copied().chain(own).filter(|ip| !near(ip) && !ip.is_unspecified()).collect()
}

/// The IPv4 addresses of this host, in the words of the kernel's routing table.
fn own_v4() -> Vec<IpAddr> {
    let table = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut last = None;
    let mut found = Vec::new();
    for line in table.lines().map(str::trim) {
        match line.strip_prefix("|-- ") {
            Some(address) => last = address.parse().ok(),
            None if line == "/32 host LOCAL" => found.extend(last.filter(|ip| !found.contains(ip))),
            None => {}
        }
    }
    found
}

fn own_v6() -> Vec<IpAddr> {
    let table = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let address = |line: &str| u128::from_str_radix(line.split(' ').next()?, 16).ok();
    table.lines().filter_map(address).map(|bits| IpAddr::V6(bits.into())).collect()
}

/// The key of a server for curl's `--pinnedpubkey`, by which a client knows it under whatever name or address; `None` for a
/// key that cannot be used.
pub(crate) fn pin(key: &PrivateKeyDer<'_>) -> Option<String> {
    use sha2::{Digest, Sha256};
    let key = rustls::crypto::ring::sign::any_supported_type(key).ok()?;
    Some(format!("sha256//{}", base64(&Sha256::digest(key.public_key()?.as_ref()))))
}

/// Base 64 (RFC 4648 §4).
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let at = |place: usize| group.get(place).map_or(0, |octet| u32::from(*octet) << (16 - 8 * place));
        let bits = at(0) | at(1) | at(2);
        for place in 0..4 {
            let letter =
                LETTERS.get((bits >> (18 - 6 * place)) as usize & 63).filter(|_| place <= group.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

/// The SHA-256 fingerprint as clients show it.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(certificate.as_ref());
    digest.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_of_rfc_4648() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn the_certificate_is_for_the_addresses_that_are_listened_at() {
        let folder = tempfile::tempdir().unwrap();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(
            addresses(&[address, "127.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap()]),
            [address]
        );
        let (cert, key) = self_signed(folder.path(), &[address]).unwrap();
        let (chain, key) = ftp_server::config::read_certificate(&cert, &key).unwrap();
        let der = chain.first().unwrap();
        assert!(der.windows(4).any(|octets| octets == [192, 0, 2, 1]), "the address stands in it");
        assert!(pin(&key).is_some_and(|pin| pin.starts_with("sha256//") && pin.len() == 8 + 44));
        let again = self_signed(folder.path(), &[]).unwrap();
        assert_eq!(ftp_server::config::read_certificate(&again.0, &again.1).unwrap().0, chain, "it is kept");
    }
}
