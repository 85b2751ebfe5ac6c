//! For operators and users: which ports to open, what NAT and helpers do, why passive mode, what each reply means.
//!
//! # Which ports
//!
//! | ports | direction | what |
//! |---|---|---|
//! | 21, 3021 | to the server | control connection: explicit FTPS (and plain FTP where it is allowed) |
//! | 990, 3990 | to the server | control connection: implicit FTPS |
//! | 40000-50000 | to the server | data connections in passive mode |
//! | any above 1023 | to the client | data connections in active mode |
//!
//! Whoever opens only the first two rows gets clients that connect, browse for a while and cannot transfer. Open
//! 40000-50000 inbound at the server, and outbound at clients whose firewall looks at that. The range can be narrowed
//! (`[passive] ports`): one port serves many client addresses at once, and one address needs as many ports as it has
//! transfers at a time.
//!
//! # Why passive
//!
//! In active mode the server connects to the client. A client behind NAT tells an address that nobody can reach, and a
//! firewall in front of a client lets nobody in. In passive mode (EPSV, PASV) the client makes both connections, as
//! everything else on the Internet does. This server refuses a PORT with another address than the client's with 501, so
//! that clients fall back to passive mode at once instead of waiting for a 425.
//!
//! # NAT in front of the server
//!
//! Forward 21, 990, 3021, 3990 and exactly 40000-50000, and set `[passive] address` to the public address or name: PASV
//! announces it. EPSV announces no address and works without. Clients inside get the inner address by a rule:
//!
//! ```toml
//! [passive]
//! address = "ftp.example.org"
//!
//! [[passive.announce]]
//! clients = "10.0.0.0/8"
//! address = "local"
//! ```
//!
//! Do not rely on an FTP helper (ALG) in a router or firewall: it reads and rewrites the commands, on port 21 and in clear
//! only. TLS blinds it, and what worked through it fails.
//!
//! # What replies mean
//!
//! | reply | meaning | who changes what |
//! |---|---|---|
//! | `425 No data connection on port N within 20 s …: a firewall probably blocks TCP 40000-50000` | nobody came to the passive port | open the range; the server's `doctor` knows whose firewall it is |
//! | `… other clients get through, so a firewall on your side …` | this client alone fails | the client's firewall, outbound |
//! | `… no client gets through, so this server's firewall or port forward …` | all fail | the server's firewall or NAT |
//! | `… ports A-B never work and others do …` | a hole in the range | widen the rule or narrow the range |
//! | `425 Data connection came from X but the session is from Y (NAT pool?)` | the client's NAT has several addresses | sticky NAT, or `data_peer = "prefix"` or `"resumed"` |
//! | `425 Cannot connect to A: …  Active mode needs inbound access to you` | the server cannot reach the client | use passive mode |
//! | `501 A is not your address (B): you are behind NAT` | PORT with a private address | use passive mode |
//! | `425 This server cannot open a data connection: …` | the system refuses it to the server, most often: too many open files | the operator: `LimitNOFILE=`, `ulimit -n`, or fewer `[limits] sessions` |
//! | `425 Use EPSV, PASV or PORT first` | a transfer without a set-up | the client |
//! | `425 TLS handshake on the data connection failed … PROT P is in force` | the client did not shake hands: at an implicit port, and behind AUTH SSL, data are protected without being asked | the client: protect data connections |
//! | `522 The TLS session of the data connection must resume …` | another account's or address's ticket, or none where the client must hold one | the client, or `data_session`; another program at the client's address may have come first |
//! | `… A second connection came to the port of this transfer, from A …` | another program at the client's address, or its network, came to the port too, perhaps first | TLS with `data_session = "require"`; find that program |
//! | `426 After N octets fewer than R a second moved …` | a client slower than `[limits] rate` | the client's line; or a lower `rate` |
//! | `426 The data connection was made and no octet moved …` | a content filter, or packets too big for the path | FTPS; clamp the segment size; `data_mss = 1200` |
//! | `426 Data connection ended … without TLS close_notify` | the upload may be cut short | the client; or `close_notify = "optional"`, in `[tls]` or for its account, where a client cannot do better |
//! | `426 The control connection closed without QUIT right behind …` | a client died, or ends all its uploads like that | see below, `bare_close` |
//! | `421 …` | the session ends: idle, too many, stopping | see its text |
//!
//! Each of them says what is left: "Nothing was written", or how many octets are kept to resume.
//!
//! # Broken uploads
//!
//! With `[storage] partial = "hidden"`, the default, what came of a broken STOR never appears under its name, so that no program
//! that polls the folder takes half a file. It is kept beside it for a day, for the same account on the same host, also where
//! it was to replace an old version; anonymous users keep nothing, and nothing is kept when the disk or a limit was full.
//! When there is no room for new octets, what is kept goes, the oldest first.
//!
//! | command | only octets of a broken upload | an old version too |
//! |---|---|---|
//! | SIZE | how many, for that account | the old version's |
//! | REST n, STOR | goes on at n, and the whole gets its name | the same, in place of the old version |
//! | REST n, STOR, with n beyond what is kept | 554 that says how much is kept | the same |
//! | APPE | goes on behind what is kept | 550 that says how much is kept: an old version and the end of a new one are no file |
//! | STOR | begins anew | begins anew |
//! | DELE | removes what is kept | removes both |
//! | lists, RETR, RNFR, other accounts | there is nothing | the old version |
//!
//! One session at a time goes on; another gets 450. A folder in which nothing else is can be removed, and one that is renamed
//! takes along what is kept in it. Clients that take the size for a resume from MLSD or MLST (FileZilla, ncftp) begin at 0, which
//! is right and slower. A broken change of a whole file (APPE, or REST and STOR) is taken back; REST and STOR before the end of
//! a file work on a copy, which needs room for it.
//!
//! What is older goes at the start of the server, at SIGHUP and every six hours, as does what a killed server has left.
//!
//! `ftp-server partial list FOLDER` shows what is kept, `publish FOLDER FILE --user NAME` gives it its name though the rest never
//! came, and `drop` removes it; what a client goes on with is left alone.
//!
//! `visible` keeps what came of a new file under its name, as most servers do, and changes whole files where they are; `never`
//! keeps nothing.
//!
//! # Clients that hang up
//!
//! In clear, the end of a client that died looks like the end of its file: its system closes the data connection, and the control
//! connection next to it. An upload whose control connection goes without QUIT, before its name is given, counts as broken:
//! the old version stays, what came is kept as above, and log and `doctor` name client, file and octets. Some programs
//! end all of their uploads like this: ffmpeg (libavformat) and the cameras that are built on it. For their accounts
//! `bare_close = "new"` stores them under names that are new, `"always"` over old versions, too; that a client died there is
//! then found out by nobody. Over TLS the end of the data is proved (close_notify), and none of this matters.
//!
//! # Listings
//!
//! LIST, NLST and STAT take a pattern as the last name, as `mget` sends it: `*` is any number of characters, `?` is one, `[a-z]`
//! and `[!a-z]` are one of a set, or none of it. A name that begins with a dot is matched by a pattern that does. A pattern that
//! nothing matches is an empty listing with 226; a file whose name is the pattern goes before all that. Words that look like
//! switches of `ls` (`-la`, `-CF`, `--color=never`, `--`) change nothing, unless something has that name: then it is listed.
//! MLSD and MLST take neither. Times are UTC in all of them, and LIST shows the year of what is older than half a year.
//!
//! # ABOR
//!
//! ABOR and STAT are answered in the midst of a transfer, also as TCP urgent data, with Telnet's Synch or without it. After ABOR
//! come the 426 of the transfer and a 226; a transfer that had ended already has its 226 first.
//!
//! # Finding out
//!
//! - `ftp-server doctor` asks the running server: the health of the range, clients that fail, and why.
//! - `ftp-conformance diagnose ftp://user@host` probes from where the client is, works with any server, names the cause
//!   and prints the firewall lines to paste.
//! - STAT tells a session how its passive port was announced and how its last transfer ended.
//! - The log has a warning for each data connection that did not come about, with who seems to be in the way.
