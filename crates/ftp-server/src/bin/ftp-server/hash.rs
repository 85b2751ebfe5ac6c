//! `ftp-server hash-password`

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

/// Asks on a terminal, reads standard input otherwise; one line end at the end does not belong to the password.
pub(crate) fn ask(prompt: &str) -> Result<Vec<u8>, String> {
    let password = if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password(prompt).map_err(|error| error.to_string())?;
        if rpassword::prompt_password("Again: ").map_err(|error| error.to_string())? != first {
            return Err("the two passwords differ".to_owned());
        }
        first.into_bytes()
    } else {
        let mut line = Vec::new();
        std::io::stdin().lock().read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        line.strip_suffix(b"\r").unwrap_or(line).to_vec()
    };
    match password.as_slice() {
        [] => Err("the password is empty".to_owned()),
        octets if octets.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) => {
            Err("a password has no line ends and no NUL: FTP could not carry it".to_owned())
        }
        _ => Ok(password),
    }
}

pub(crate) fn hash_password() -> Result<ExitCode, String> {
    let password = ask("Password: ")?;
    let mut stdin = std::io::stdin().lock();
    if !stdin.is_terminal() && !stdin.fill_buf().map_err(|error| error.to_string())?.is_empty() {
        return Err("a password has no line ends and no NUL: FTP could not carry it".to_owned());
    }
    let hash = ftp_server::auth::hash_password(&password).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{hash}").map_err(|error| format!("the hash cannot be printed: {error}"))?;
    Ok(ExitCode::SUCCESS)
}
