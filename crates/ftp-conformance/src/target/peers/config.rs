//! The configurations of the peers, and the commands that start them.

use std::fmt::Write;
use std::process::Command;

use serde_json::json;

use crate::target::peers::{Listener, NOBODY, Patience, Product, Site, Start, find, is_root};

/// The commands that start `product` at `listeners`: one for all, or one each.
pub(super) fn scripts(
    product: Product,
    site: &Site<'_>,
    listeners: &[Listener],
) -> Result<Vec<String>, String> {
    match product {
        Product::Vsftpd => vsftpd(site, listeners),
        Product::Proftpd => proftpd(site, listeners),
        Product::PureFtpd => pure_ftpd(site, listeners),
        Product::Pyftpdlib => pyftpdlib(site, listeners),
        Product::Unftp => unftp(site, listeners),
    }
}

/// The hash of a password as crypt(3) has it.
fn crypt(password: &str) -> Result<String, String> {
    let output = Command::new("openssl").args(["passwd", "-6", password]).output();
    let output = output.map_err(|error| format!("openssl: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes the files that stand for those of `/etc` in vsftpd's mount namespace: its accounts are those of the system.
fn system_accounts(site: &Site<'_>) -> Result<(), String> {
    let (mut users, mut shadow) =
        (String::from("root:x:0:0::/root:/bin/sh\n"), String::from("root:*:1::::::\n"));
    users += "nobody:x:65533:65533::/nonexistent:/bin/sh\n";
    for account in site.accounts {
        let (name, hash) = (&account.user, crypt(&account.password)?);
        let _infallible = writeln!(users, "{name}:x:{NOBODY}:{NOBODY}::{}:/bin/sh", site.shown(name));
        let _infallible = writeln!(shadow, "{name}:{hash}:1::::::");
    }
    site.write("passwd", &users)?;
    site.write("shadow", &shadow)?;
    site.write(
        "pam",
        "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
    )
}

fn vsftpd(site: &Site<'_>, listeners: &[Listener]) -> Result<Vec<String>, String> {
    if !is_root() {
        return Err("vsftpd logs users of the system in: it has to be started by root".to_owned());
    }
    system_accounts(site)?;
    std::fs::create_dir_all(site.path("empty")).map_err(|error| error.to_string())?;
    let program = find("vsftpd")?;
    let yes = |word: bool| if word { "YES" } else { "NO" };
    let mut scripts = Vec::new();
    for (index, listener) in listeners.iter().enumerate() {
        let (ip, v6) = (listener.address.ip(), listener.address.is_ipv6());
        // It takes `::` for another address.
        let home = match (ip.is_unspecified(), v6) {
            (true, _) => String::new(),
            (false, true) => format!("listen_address6={ip}\n"),
            (false, false) => format!("listen_address={ip}\n"),
        };
        let text = format!(
            "listen={}\nlisten_ipv6={}\n{home}listen_port={}\nbackground=NO\nlocal_enable=YES\n\
             write_enable=YES\nanonymous_enable=NO\nlocal_umask=022\nchroot_local_user=YES\n\
             allow_writeable_chroot=YES\nsecure_chroot_dir={}\nnopriv_user=nobody\npam_service_name=vsftpd-suite\n\
             pasv_min_port=40000\npasv_max_port=50000\nconnect_from_port_20=NO\nseccomp_sandbox=NO\nisolate=NO\n\
             isolate_network=NO\nssl_enable=YES\nimplicit_ssl={}\nrsa_cert_file={pem}\nrsa_private_key_file={pem}\n\
             force_local_logins_ssl={strict}\nforce_local_data_ssl={strict}\nrequire_ssl_reuse=NO\nssl_ciphers=HIGH\n\
             ssl_tlsv1=YES\nssl_sslv2=NO\nssl_sslv3=NO\nmax_per_ip=0\nmax_clients=0\nmax_login_fails=3\n\
             ls_recurse_enable=YES\nasync_abor_enable=YES\nascii_upload_enable=YES\nascii_download_enable=YES\n\
             port_enable=YES\ndual_log_enable=NO\nxferlog_enable=NO\nutf8_filesystem=YES\n",
            yes(!v6),
            yes(v6),
            listener.address.port(),
            site.shown("empty"),
            yes(listener.start == Start::Tls),
            pem = site.shown("tls.pem"),
            strict = yes(site.is_strict()),
        );
        let announce = site.announced.map(|address| format!("pasv_address={address}\n")).unwrap_or_default();
        let waits = match site.patience {
            Patience::Own => "",
            Patience::Short => "accept_timeout=4\nconnect_timeout=4\ndata_connection_timeout=8\n",
        };
        let text = format!("{text}{announce}{waits}");
        let name = format!("vsftpd-{index}.conf");
        site.write(&name, &text)?;
        scripts.push(format!(
            "mount --bind {passwd} /etc/passwd && mount --bind {shadow} /etc/shadow && \
             mount -t tmpfs none /etc/pam.d && cp {pam} /etc/pam.d/vsftpd-suite && {program} {conf}",
            passwd = site.shown("passwd"),
            shadow = site.shown("shadow"),
            pam = site.shown("pam"),
            program = program.display(),
            conf = site.shown(&name),
        ));
    }
    Ok(scripts)
}

fn proftpd(site: &Site<'_>, listeners: &[Listener]) -> Result<Vec<String>, String> {
    let program = find("proftpd")?;
    let modules = program.parent().and_then(|sbin| sbin.parent()).map(|usr| usr.join("lib/proftpd"));
    let mut users = String::new();
    for account in site.accounts {
        let (name, hash) = (&account.user, crypt(&account.password)?);
        let _infallible = writeln!(users, "{name}:{hash}:{NOBODY}:{NOBODY}::{}:/bin/sh", site.shown(name));
    }
    site.write("users", &users)?;
    // It refuses a list of users that others could read.
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(site.path("users"), closed).map_err(|error| error.to_string())?;
    let common = format!(
        "  PassivePorts 40000 50000\n  MaxLoginAttempts 3\n  DefaultRoot ~\n  RequireValidShell off\n  AuthUserFile {users}\n\
         \x20 AuthOrder mod_auth_file.c\n  AllowOverwrite on\n  AllowStoreRestart on\n  AllowRetrieveRestart on\n\
         \x20 TimeoutNoTransfer 120\n  Umask 022\n  TLSEngine on\n  TLSRSACertificateFile {pem}\n\
         \x20 TLSRSACertificateKeyFile {pem}\n  TLSProtocol TLSv1.2 TLSv1.3\n  TLSVerifyClient off\n  TLSRequired {strict}\n",
        users = site.shown("users"),
        pem = site.shown("tls.pem"),
        strict = if site.is_strict() { "on" } else { "off" },
    );
    let mut text = format!(
        "ModulePath {modules}\nLoadModule mod_tls.c\nServerType standalone\nUseIPv6 on\nUseReverseDNS off\nUser nobody\nGroup nogroup\n\
         DefaultServer off\nPort 0\nPidFile {pid}\nScoreboardFile {board}\nDelayTable none\nWtmpLog off\nTransferLog none\n\
         SystemLog {log}\nMaxInstances 200\nServerIdent on \"ready\"\n",
        modules = modules.unwrap_or_default().display(),
        pid = site.shown("pid"),
        board = site.shown("board"),
        log = site.shown("proftpd.log"),
    );
    let masquerade =
        site.announced.map(|address| format!("  MasqueradeAddress {address}\n")).unwrap_or_default();
    let waits = match site.patience {
        Patience::Own => "",
        Patience::Short => "  TimeoutStalled 8\n",
    };
    for listener in listeners {
        let options = if listener.start == Start::Tls { " UseImplicitSSL" } else { "" };
        let _infallible = writeln!(
            text,
            "<VirtualHost {}>\n  Port {}\n{masquerade}{common}{waits}  TLSOptions NoSessionReuseRequired{options}\n</VirtualHost>",
            listener.address.ip(),
            listener.address.port()
        );
    }
    site.write("proftpd.conf", &text)?;
    Ok(vec![format!("{} --nodaemon --quiet --config {}", program.display(), site.shown("proftpd.conf"))])
}

fn pure_ftpd(site: &Site<'_>, listeners: &[Listener]) -> Result<Vec<String>, String> {
    let (program, tool) = (find("pure-ftpd")?, find("pure-pw")?);
    let mut users = String::new();
    for account in site.accounts {
        let (name, hash) = (&account.user, crypt(&account.password)?);
        let root = site.shown(name);
        let _infallible = writeln!(users, "{name}:{hash}:{NOBODY}:{NOBODY}::{root}/./:::::::::::::");
    }
    site.write("pure.passwd", &users)?;
    let made = Command::new(tool)
        .args(["mkdb", &site.shown("pure.pdb"), "-f", &site.shown("pure.passwd")])
        .output()
        .map_err(|error| format!("pure-pw: {error}"))?;
    if !made.status.success() {
        return Err(format!("pure-pw: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let tls = if site.is_strict() { "2" } else { "1" };
    let announce = site.announced.map(|address| format!(" -P {address}")).unwrap_or_default();
    Ok(listeners
        .iter()
        .map(|listener| {
            format!(
                "{} -l puredb:{} -E -H -A -u 1 -c 500 -L 10000000:10 -p 40000:50000 -S {},{} -Y {tls} -2 {} -g {}{announce}",
                program.display(),
                site.shown("pure.pdb"),
                listener.address.ip(),
                listener.address.port(),
                site.shown("tls.pem"),
                site.shown(&format!("pid-{}", listener.address.port())),
            )
        })
        .collect())
}

fn pyftpdlib(site: &Site<'_>, listeners: &[Listener]) -> Result<Vec<String>, String> {
    let python = find("python3")?;
    let mut script = format!(
        "from pyftpdlib.authorizers import DummyAuthorizer\nfrom pyftpdlib.handlers import TLS_FTPHandler\n\
         from pyftpdlib.servers import FTPServer\nimport os\n\
         users = DummyAuthorizer()\nclass Handler(TLS_FTPHandler):\n    authorizer = users\n    certfile = {:?}\n\
         \x20   passive_ports = range(40000, 50001)\n    banner = 'ready'\n    tls_control_required = {strict}\n\
         \x20   tls_data_required = {strict}\n    masquerade_address = {announce}\nloop = None\n",
        site.shown("tls.pem"),
        announce = site.announced.map_or_else(|| "None".to_owned(), |address| format!("'{address}'")),
        strict = if site.is_strict() { "True" } else { "False" },
    );
    if site.patience == Patience::Short {
        script +=
            "Handler.passive_dtp.timeout = Handler.active_dtp.timeout = 4\nHandler.dtp_handler.timeout = 8\n";
    }
    for account in site.accounts {
        let (name, password, root) = (&account.user, &account.password, site.shown(&account.user));
        let _infallible =
            writeln!(script, "users.add_user({name:?}, {password:?}, {root:?}, perm='elradfmwMT')");
    }
    for listener in listeners {
        let (ip, port) = (listener.address.ip(), listener.address.port());
        let _infallible = writeln!(
            script,
            "server = FTPServer(('{ip}', {port}), Handler, ioloop=loop)\nloop = server.ioloop"
        );
    }
    // Its own modules may lie where `nobody` cannot read: it becomes that when everything is loaded.
    let _infallible = write!(
        script,
        "import encodings.idna\nif os.geteuid() == 0:\n    os.setgroups([])\n    os.setgid({NOBODY})\n    os.setuid({NOBODY})\n\
         server.max_cons = 1000\nserver.serve_forever(handle_exit=False)\n"
    );
    site.write("server.py", &script)?;
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(site.path("tls.pem"), open).map_err(|error| error.to_string())?;
    Ok(vec![format!("{} {}", python.display(), site.shown("server.py"))])
}

fn unftp(site: &Site<'_>, listeners: &[Listener]) -> Result<Vec<String>, String> {
    let program = find("unftp")?;
    let known: Vec<_> = site
        .accounts
        .iter()
        .map(
            |account| json!({ "username": account.user, "password": account.password, "root": account.user }),
        )
        .collect();
    site.write("users.json", &json!(known).to_string())?;
    let announce = site.announced.map_or_else(|| "from-connection".to_owned(), |address| address.to_string());
    let required = if site.is_strict() { "all" } else { "none" };
    let script = |listener: &Listener| {
        format!(
            "{} --bind-address {} --bind-address-http 127.0.0.1:0 --root-dir {folder} --auth-type json \
             --auth-json-path {users} --usr-json-path {users} --passive-ports 40000-50000 --passive-host {announce} \
             --ftps-certs-file {pem} --ftps-key-file {pem} --ftps-required-on-control-channel {required} \
             --ftps-required-on-data-channel {required}",
            program.display(),
            listener.address,
            folder = site.folder.display(),
            users = site.shown("users.json"),
            pem = site.shown("tls.pem"),
        )
    };
    Ok(listeners.iter().map(script).collect())
}
