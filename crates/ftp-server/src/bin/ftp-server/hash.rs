//! `ftp-server hash-password`

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

/// Asks on a terminal, reads standard input otherwise; one line end at the end does not belong to the password.
pub(crate) fn hash_password() -> Result<ExitCode, String> {
    let password = if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").map_err(|error| error.to_string())?;
        if rpassword::prompt_password("Again: ").map_err(|error| error.to_string())? != first {
            return Err("the two passwords differ".to_owned());
        }
        first.into_bytes()
    } else {
        let mut octets = Vec::new();
        std::io::stdin().read_to_end(&mut octets).map_err(|error| error.to_string())?;
        let line = octets.strip_suffix(b"\n").unwrap_or(&octets);
        line.strip_suffix(b"\r").unwrap_or(line).to_vec()
    };
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    if password.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        return Err("a password has no line ends and no NUL: FTP could not carry it".to_owned());
    }
    let hash = ftp_server::auth::hash_password(&password).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{hash}").map_err(|error| format!("the hash cannot be printed: {error}"))?;
    Ok(ExitCode::SUCCESS)
}
