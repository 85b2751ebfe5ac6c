//! Names that a configuration gives twice: the last one would win in silence, whoever was meant.

use std::collections::HashMap;

use toml::Spanned;

use crate::config::problem::Problem;
use crate::config::{Config, line_of};

/// The names of those who log in without a password.
pub(super) const ANONYMOUS: [&str; 2] = ["anonymous", "ftp"];

/// Every name that is given for a second time, with both of its lines in `text`, which is the file that was parsed.
pub(super) fn doubled(config: &Config, text: &str) -> Vec<Problem> {
    let (mut seen, mut problems) = (HashMap::new(), Vec::new());
    let mut note = |name: (&'static str, String, String), offset: usize, remedy: &str| {
        let line = line_of(text, offset);
        let told = format!("the {} {:?}", name.0, name.2);
        match seen.get(&name) {
            None => drop(seen.insert(name, line)),
            Some(first) => {
                problems.push(Problem {
                    line,
                    text: format!("{told} is there already, in line {first}: {remedy}"),
                });
            }
        }
    };
    for host in config.host.iter().map(|host| &host.get_ref().name) {
        let name = host.get_ref().to_ascii_lowercase();
        note(("host", String::new(), name), host.span().start, "give each a name of its own");
    }
    for user in config.user.iter().map(Spanned::get_ref) {
        let host = user.host.as_ref().map(|host| host.get_ref().to_ascii_lowercase()).unwrap_or_default();
        let name = user.name.get_ref().clone();
        let remedy = "give each a name, or a host, of its own";
        note(("user", host, name), user.name.span().start, remedy);
    }
    if let Some(anonymous) = &config.anonymous {
        for name in ANONYMOUS {
            let name = ("user", String::new(), name.to_owned());
            let remedy =
                "[anonymous] takes the names anonymous and ftp, without a password; give the user another";
            note(name, anonymous.span().start, remedy);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_given_twice_are_told_with_both_lines() {
        let user = |name: &str, more: &str| {
            format!("[[user]]\nname = \"{name}\"\npassword = \"x\"\nhome = \"/\"\n{more}")
        };
        let text = [
            "[[host]]\nname = \"A.example\"\n[[host]]\nname = \"a.EXAMPLE\"\n".to_owned(),
            user("ftp", ""),
            user("me", ""),
            user("me", "host = \"a.example\"\n"),
            user("me", "host = \"A.example\"\n"),
            user("me", ""),
            "[anonymous]\nhome = \"/\"\n".to_owned(),
        ];
        let text = text.concat();
        let problems = doubled(&Config::parse(&text).unwrap(), &text);
        let lines = problems.iter().map(|problem| problem.line).collect::<Vec<_>>();
        assert_eq!(lines, [4, 19, 24, 27], "{problems:?}");
        let told = ["in line 2", "in line 14", "in line 10", "in line 6"];
        assert!(problems.iter().zip(told).all(|(problem, told)| problem.text.contains(told)), "{problems:?}");
    }
}
