//! Listings as clients ask for them: switches of `ls`, patterns, names that look like either.
#![cfg(feature = "ring")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure is the test's failure"
)]

mod client;

use std::fs;
use std::time::{Duration, SystemTime};

use client::{Client, Profile, builder, start};

/// The lines of a listing in alphabetical order, and the code of its reply.
async fn list(client: &mut Client, command: &str) -> (Vec<String>, u16) {
    let (octets, code, _) = client.download(command).await;
    let mut lines: Vec<String> = String::from_utf8(octets).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    (lines, code)
}

/// The last words of a listing, in alphabetical order.
fn names(lines: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = lines.iter().filter_map(|line| line.rsplit(' ').next()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_pattern_lists_the_names_that_match() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    for name in ["a.txt", "b.txt", "c.csv", ".d.txt", "[e]*", "sub/f.txt", "sub/g.edi"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for (argument, expected) in [
        ("*.txt", &["a.txt", "b.txt"][..]),
        ("?.csv", &["c.csv"]),
        ("[ab]*", &["a.txt", "b.txt"]),
        (".*", &[".d.txt"]),
        ("s*", &["sub"]),
        ("sub/*.edi", &["sub/g.edi"]),
        ("/sub/[!g]*", &["/sub/f.txt"]),
        ("./sub/../sub/*.txt", &["./sub/../sub/f.txt"]),
        ("-la *.csv", &["c.csv"]),
        // A name goes before a pattern.
        ("[e]*", &["[e]*"]),
        ("*.none", &[]),
    ] {
        let (lines, code) = list(&mut client, &format!("NLST {argument}")).await;
        assert_eq!(
            (lines, code),
            (expected.iter().map(|name| (*name).to_owned()).collect(), 226),
            "{argument}"
        );
        let last = |name: &&str| name.rsplit('/').next().unwrap().to_owned();
        let expected: Vec<String> = expected.iter().map(last).collect();
        let (lines, code) = list(&mut client, &format!("LIST {argument}")).await;
        assert_eq!((names(&lines), code), (expected.iter().map(String::as_str).collect(), 226), "{argument}");
        let (code, text) = client.command(&format!("STAT {argument}")).await;
        assert_eq!(code, if argument == "[e]*" { 213 } else { 212 }, "{text}");
        assert!(expected.iter().all(|name| text.contains(&format!(" {name}\n"))), "{text}");
        assert_eq!(text.lines().count(), expected.len() + 2, "{text}");
    }
    // Patterns are for the last name of listings only.
    for command in ["NLST */f.txt", "LIST none/*", "LIST a.txt/*", "MLSD s*", "RETR *.txt", "NLST none"] {
        client.send("EPSV").await;
        client.reply().await;
        assert_eq!(client.command(command).await.0, 550, "{command}");
    }
    assert_eq!(client.command("DELE *.txt").await.0, 550);
    assert_eq!(client.command("STAT none/*").await.0, 550);
}

#[tokio::test]
async fn words_that_look_like_switches_are_names_only_if_something_has_that_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dir")).unwrap();
    for name in ["f", "-x", "--all", "dir/-la", "dir/g"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    let all = &["--all", "-x", "dir", "f"][..];
    let inside = &["-la", "g"][..];
    for (argument, expected) in [
        ("-C", all),
        ("-CF", all),
        ("-lp", all),
        ("-alZ", all),
        ("-l -a", all),
        ("-m ", all),
        ("--color=never", all),
        ("--", all),
        (" -la", all),
        ("-la dir", inside),
        ("-la  dir", inside),
        ("-a  --full-time -Q  dir/", inside),
        ("-- dir", inside),
        ("-la f", &["f"]),
        ("-x", &["-x"]),
        ("-la -x", &["-x"]),
        ("-- -x", &["-x"]),
        ("--all", &["--all"]),
        ("dir/-la", &["-la"]),
    ] {
        for verb in ["LIST", "NLST"] {
            let (lines, code) = list(&mut client, &format!("{verb} {argument}")).await;
            let last = names(&lines).into_iter().filter_map(|name| name.rsplit('/').next());
            // Those that LIST -a adds are for another test.
            let last: Vec<&str> = last.filter(|name| !matches!(*name, "." | "..")).collect();
            assert_eq!((last, code), (expected.to_vec(), 226), "{verb} {argument}");
        }
        let (code, text) = client.command(&format!("STAT {argument}")).await;
        assert_eq!(code, if expected.len() == 1 { 213 } else { 212 }, "STAT {argument}: {text}");
        assert!(expected.iter().all(|name| text.contains(&format!(" {name}\n"))), "STAT {argument}: {text}");
    }
    for command in ["LIST -C none", "NLST -z.txt", "MLSD -la", "STAT -l none"] {
        client.send("EPSV").await;
        client.reply().await;
        assert_eq!(client.command(command).await.0, 550, "{command}");
    }
    client.command("CWD dir").await;
    assert_eq!(names(&list(&mut client, "LIST -la").await.0), ["-la"], "a file of that name is meant");
}

#[tokio::test]
async fn stat_shows_dates_as_list_does() {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now();
    for (name, time) in
        [("old", SystemTime::UNIX_EPOCH + day * 15_000), ("new", now - day), ("future", now + day * 27_000)]
    {
        fs::File::create(folder.path().join(name)).unwrap().set_modified(time).unwrap();
    }
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for argument in ["", " old", " new", " future", " *"] {
        let (lines, _) = list(&mut client, &format!("LIST{argument}")).await;
        let path = if argument.is_empty() { " ." } else { argument };
        let (_, text) = client.command(&format!("STAT{path}")).await;
        let mut shown: Vec<&str> =
            text.lines().filter(|line| line.starts_with(' ')).map(|line| &line[1..]).collect();
        shown.sort_unstable();
        assert_eq!(shown, lines, "{argument}");
    }
    let (_, text) = client.command("STAT old").await;
    assert!(text.contains(" Jan 26  2011 old"), "{text}");
}

/// KIO warns at each listing that lacks them; NLST and MLSD have no such lines.
#[tokio::test]
async fn the_directory_itself_and_the_one_above_come_first_where_all_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sub/deep")).unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    for command in ["LIST -a", "LIST -la sub", "LIST --all sub", "LIST -al /"] {
        let listing = String::from_utf8(client.download(command).await.0).unwrap();
        let lines: Vec<&str> = listing.lines().collect();
        assert!(
            lines[0].ends_with(" .") && lines[1].ends_with(" ..") && lines.len() == 3,
            "{command}: {listing}"
        );
        assert!(lines.iter().all(|line| line.starts_with('d')), "{listing}");
    }
    for command in ["LIST", "LIST -lA", "NLST -a", "MLSD", "LIST -a su*"] {
        let listing = String::from_utf8(client.download(command).await.0).unwrap();
        assert_eq!(listing.lines().count(), 1, "{command}: {listing}");
    }
}

#[tokio::test]
async fn what_is_below_is_listed_where_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("top/a/deep")).unwrap();
    fs::create_dir_all(folder.path().join("top/b")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::write(folder.path().join("other/secret"), "x").unwrap();
    for (index, name) in ["top/f", "top/a/g", "top/a/deep/h"].into_iter().enumerate() {
        fs::write(folder.path().join(name), vec![b'x'; index]).unwrap();
    }
    std::os::unix::fs::symlink("..", folder.path().join("top/up")).unwrap();
    let server = start(builder(folder.path())).await;
    let mut client = Client::login(&server, Profile::Plain).await;
    let (octets, code, _) = client.download("LIST -lR top").await;
    let listing = String::from_utf8(octets).unwrap();
    assert_eq!(code, 226);
    let headings: Vec<&str> = listing.lines().filter(|line| line.ends_with(':')).collect();
    let mut sorted = headings.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["top/a/deep:", "top/a:", "top/b:"], "{listing}");
    for name in [" f", " a", " b", " up", " g", " deep", " h"] {
        assert_eq!(listing.lines().filter(|line| line.ends_with(name)).count(), 1, "{name} in {listing}");
    }
    assert!(!listing.contains("secret"), "links are not followed");
    assert!(listing.contains("\r\n\r\ntop/a/deep:\r\n"), "{listing}");
    let here = String::from_utf8(client.download("LIST -R").await.0).unwrap();
    assert!(here.contains("./top/a/deep:") && here.contains("secret"), "{here}");
}
