//! The users of the command line, each with its password. Not here: those of a configuration.

use crate::cli::{Named, ServeArgs};
use crate::hash::ask;

/// A user of the command line.
#[derive(Debug, Clone)]
pub(crate) struct NamedPassword {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// The users of the command line, each with its password.
pub(crate) fn named(args: &ServeArgs) -> Result<Vec<NamedPassword>, String> {
    let known = |user: &Named| match (&user.password, &args.password_env) {
        (Some(password), _) => Ok(password.clone()),
        (None, Some(variable)) => match std::env::var(variable) {
            Ok(password) if !password.is_empty() => Ok(password),
            _ => Err(format!("--password-env {variable}: that variable is not set, or is empty")),
        },
        (None, None) => ask(&format!("Password of {}: ", user.name))
            .and_then(|octets| String::from_utf8(octets).map_err(|_| "the password is not UTF-8".to_owned()))
            .map_err(|error| format!("--user {}: {error}", user.name)),
    };
    args.user
        .iter()
        .map(|user| Ok(NamedPassword { name: user.name.clone(), password: known(user)? }))
        .collect()
}
