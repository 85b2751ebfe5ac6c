//! The networks of the lab, each a few nftables rules, and what a probe from the client has to find in it.

/// One network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) what: &'static str,
    /// Whether the client's LAN is private and behind masquerade.
    pub(crate) client_nat: Nat,
    /// Whether the server's LAN is private and reached by forwarded ports.
    pub(crate) server_nat: Nat,
    /// Rules at the client's gateway.
    pub(crate) client_rules: &'static str,
    /// Rules at the server's gateway.
    pub(crate) server_rules: &'static str,
    /// What else is done: shell commands before the rules.
    pub(crate) setup: &'static str,
    /// Whether the server announces its gateway's address.
    pub(crate) announced: bool,
    /// The verdicts of `diagnose` that are right, any of them first.
    pub(crate) verdict: &'static [&'static str],
    /// What else it has to find.
    pub(crate) also: &'static [&'static str],
    /// What the server's own doctor has to say; `healthy` where nothing that it sees tells of a cause.
    pub(crate) doctor: &'static str,
}

/// Whether there is NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    No,
    Yes,
    /// With the FTP helper of the kernel.
    Helper,
}

const PLAIN: Network = Network {
    name: "direct",
    what: "nothing in between",
    client_nat: Nat::No,
    server_nat: Nat::No,
    client_rules: "",
    server_rules: "",
    setup: "",
    announced: false,
    verdict: &["works"],
    also: &[],
    doctor: "healthy",
};

/// Stateful, and new connections out to the control ports only.
const CLIENT_DROP: &str = "ct state established,related accept
    iifname \"lan\" tcp dport { 21, 990, 3021, 3990 } accept
    drop";
const CLIENT_REJECT: &str = "ct state established,related accept
    iifname \"lan\" tcp dport { 21, 990, 3021, 3990 } accept
    reject with tcp reset";
/// Stateful, and new connections in to the control ports only.
const SERVER_DROP: &str = "ct state established accept
    iifname \"lan\" accept
    tcp dport { 21, 990, 3021, 3990 } accept
    drop";
const SERVER_RESET: &str = "ct state established accept
    iifname \"lan\" accept
    tcp dport { 21, 990, 3021, 3990 } accept
    reject with tcp reset";
const SERVER_ICMP: &str = "ct state established accept
    iifname \"lan\" accept
    tcp dport { 21, 990, 3021, 3990 } accept
    reject with icmpx admin-prohibited";
const SERVER_HALF: &str = "ct state established accept
    iifname \"lan\" accept
    tcp dport { 21, 990, 3021, 3990, 40000-44999 } accept
    drop";

/// Every network.
pub(crate) const NETWORKS: &[Network] = &[
    PLAIN,
    Network {
        name: "client-nat",
        what: "the client behind NAT",
        client_nat: Nat::Yes,
        also: &["client-nat"],
        ..PLAIN
    },
    Network {
        name: "client-nat-helper",
        what: "the client behind NAT with an FTP helper",
        client_nat: Nat::Helper,
        also: &["helper"],
        ..PLAIN
    },
    Network {
        name: "client-firewall-drop",
        what: "the client's firewall drops everything but control ports",
        client_rules: CLIENT_DROP,
        verdict: &["range-filtered"],
        doctor: "a firewall on its side blocks the passive ports",
        ..PLAIN
    },
    Network {
        name: "client-firewall-reject",
        what: "the client's firewall rejects everything but control ports",
        client_rules: CLIENT_REJECT,
        verdict: &["range-refused"],
        doctor: "a firewall on its side blocks the passive ports",
        ..PLAIN
    },
    Network {
        name: "client-firewall-helper",
        what: "the client's firewall has an FTP helper, which TLS blinds",
        client_nat: Nat::Helper,
        client_rules: CLIENT_DROP,
        verdict: &["helper-blinded"],
        ..PLAIN
    },
    Network {
        name: "nat-pool",
        what: "data leave the client's NAT from another address",
        client_nat: Nat::Yes,
        setup: "pool",
        verdict: &["nat-pool"],
        also: &["client-nat"],
        doctor: "a pool of NAT addresses",
        ..PLAIN
    },
    Network {
        name: "server-nat",
        what: "the server behind NAT, ports forwarded, no address announced",
        server_nat: Nat::Yes,
        also: &["pasv-private"],
        ..PLAIN
    },
    Network {
        name: "server-nat-announced",
        what: "the server behind NAT, ports forwarded, address announced",
        server_nat: Nat::Yes,
        announced: true,
        ..PLAIN
    },
    Network {
        name: "server-nat-helper",
        what: "the server behind NAT, control ports forwarded, an FTP helper for the rest",
        server_nat: Nat::Helper,
        setup: "control-only",
        verdict: &["helper-blinded"],
        ..PLAIN
    },
    Network {
        name: "control-only-drop",
        what: "the server's firewall drops everything but control ports",
        server_rules: SERVER_DROP,
        verdict: &["range-filtered"],
        doctor: "no client ever reached a passive port",
        ..PLAIN
    },
    Network {
        name: "control-only-reset",
        what: "the same, rejected with RST",
        server_rules: SERVER_RESET,
        verdict: &["range-refused"],
        doctor: "no client ever reached a passive port",
        ..PLAIN
    },
    Network {
        name: "control-only-icmp",
        what: "the same, rejected with ICMP",
        server_rules: SERVER_ICMP,
        verdict: &["range-prohibited"],
        doctor: "no client ever reached a passive port",
        ..PLAIN
    },
    Network {
        name: "half-range",
        what: "half of the passive range is open",
        server_rules: SERVER_HALF,
        verdict: &["range-partly"],
        doctor: "never work and others do",
        ..PLAIN
    },
    Network {
        name: "wrong-range",
        what: "another range than the server's is forwarded",
        server_nat: Nat::Yes,
        announced: true,
        setup: "wrong-range",
        verdict: &["range-refused"],
        doctor: "no client ever reached a passive port",
        ..PLAIN
    },
    Network {
        name: "no-egress",
        what: "the server may not connect out",
        server_rules: "ct state established accept\n    iifname \"lan\" drop",
        also: &["active-blocked"],
        doctor: "no client was ever reached in active mode",
        ..PLAIN
    },
    Network { name: "ipv6", what: "IPv6 only", setup: "ipv6", also: &["pasv-over-ipv6"], ..PLAIN },
    Network {
        name: "balancer",
        what: "a load balancer spreads data connections over two nodes",
        server_nat: Nat::Yes,
        announced: true,
        setup: "balancer",
        verdict: &["spread"],
        ..PLAIN
    },
    Network {
        name: "payload-dropped",
        what: "the handshake passes and payload of data connections is dropped",
        server_rules: "iifname \"wan\" tcp dport 40000-50000 meta length 68-65535 drop
    iifname \"lan\" tcp sport 40000-50000 meta length 68-65535 drop",
        verdict: &["payload-dropped"],
        doctor: "connected and nothing moves",
        ..PLAIN
    },
    Network {
        name: "pmtu",
        what: "a hop carries 1300 octets and its ICMP is dropped",
        setup: "pmtu",
        verdict: &["packets-too-big", "tls-blocked"],
        doctor: "connected and nothing moves",
        ..PLAIN
    },
    Network {
        name: "proxy",
        what: "a transparent proxy accepts every data connection",
        setup: "proxy",
        verdict: &["intercepted", "payload-dropped"],
        doctor: "a firewall on its side blocks the passive ports",
        ..PLAIN
    },
    Network {
        name: "loss",
        what: "a tenth of the client's segments is lost",
        client_rules: "iifname \"lan\" meta l4proto tcp numgen random mod 10 == 0 drop",
        ..PLAIN
    },
    Network {
        name: "control-expiry",
        what: "a NAT forgets the control connection after 4 s",
        client_nat: Nat::Yes,
        setup: "expiry",
        verdict: &["control-expires"],
        ..PLAIN
    },
];
