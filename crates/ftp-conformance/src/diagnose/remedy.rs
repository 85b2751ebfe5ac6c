//! What to do about a cause, and who has to do it.

use crate::diagnose::Cause;

/// The rules that open passive ports, to be pasted.
const OPEN: &[&str] = &[
    "nft:      nft add rule inet filter input tcp dport 40000-50000 accept",
    "iptables: iptables -A INPUT -p tcp --dport 40000:50000 -j ACCEPT",
    "cloud:    security group, inbound: TCP 40000-50000 from the clients' networks, beside 21, 990, 3021, 3990",
];
/// The rules that clamp segments to what the path carries.
const CLAMP: &[&str] = &[
    "nft:      nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu",
    "iptables: iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
    "server:   data_mss = 1200 (ftp-server) cures it for both directions",
];
/// The rules that forward passive ports.
const FORWARD: &[&str] = &[
    "nft:      nft add rule ip nat prerouting tcp dport 40000-50000 dnat to SERVER",
    "iptables: iptables -t nat -A PREROUTING -p tcp --dport 40000:50000 -j DNAT --to-destination SERVER",
    "server:   --passive-address PUBLIC (ftp-server), pasv_address (vsftpd), MasqueradeAddress (ProFTPD), -P (Pure-FTPd)",
];

/// In plain words: what it is, who changes what, and lines to paste.
#[must_use]
#[allow(clippy::too_many_lines, reason = "one row a cause")]
pub fn remedy(cause: Cause) -> (&'static str, &'static str, &'static [&'static str]) {
    match cause {
        Cause::Works => ("passive mode works: nothing has to be done", "nobody", &[]),
        Cause::ControlClosed => (
            "the control port cannot be reached",
            "whoever runs the server's firewall opens 21 or 990, or the client uses 3021 or 3990; if another network works, it is the client's firewall",
            &["cloud:    security group, inbound: TCP 21, 990, 3021, 3990"],
        ),
        Cause::NoGreeting => (
            "something answers at the port, and it is no FTP server, or it waits for TLS",
            "the client tries implicit FTPS (--security implicit), or another port",
            &[],
        ),
        Cause::TlsBlocked => (
            "TLS hangs: packets too big for the path, or a device that inspects TLS",
            "whoever runs the routers clamps the segment size; compare the certificate with the server's to find a device that inspects",
            CLAMP,
        ),
        Cause::TlsFails => ("the TLS handshake fails", "the server's operator: see what was seen", &[]),
        Cause::NoLogin => ("the login is refused", "the user: name and password", &[]),
        Cause::RangeFiltered => (
            "a firewall drops connections to the passive ports: this client connects and browses, and cannot transfer",
            "open TCP 40000-50000 (or the server's own range): outbound at the client, inbound at the server. If transfers work from another network it is the client's firewall, else the server's",
            OPEN,
        ),
        Cause::RangeRefused => (
            "connections to the passive ports are refused on the way; the server itself listens at that moment",
            "whoever runs the server's firewall or NAT: forward and open exactly the server's range, not another one",
            FORWARD,
        ),
        Cause::RangeProhibited => (
            "a router prohibits the passive ports, and says so",
            "whoever runs that router opens TCP 40000-50000",
            OPEN,
        ),
        Cause::RangePartly => (
            "only a part of the passive ports is open",
            "whoever runs the firewall widens its rule to the server's whole range, or the server's operator narrows the range",
            OPEN,
        ),
        Cause::Spread => (
            "a load balancer sends data connections to other nodes than the one that waits for them",
            "whoever runs the load balancer: affinity by source address over all ports, or a range of its own for each node",
            &[],
        ),
        Cause::NatPool => (
            "data connections reach the server from another address than the session: a pool of NAT addresses",
            "whoever runs the client's NAT gives a client one address; or the server takes it: data_peer = \"prefix\" or \"resumed\" (ftp-server), pasv_promiscuous (vsftpd)",
            &["nft:      nft add rule ip nat postrouting snat to POOL persistent"],
        ),
        Cause::Intercepted => (
            "something on the way accepts data connections in the server's place: a proxy, or an antivirus",
            "whoever runs it lets TCP 40000-50000 pass",
            &[],
        ),
        Cause::PayloadDropped => (
            "data connections stand and carry nothing: a content filter, or packets too big for the path",
            "use FTPES or FTPS, which no filter reads; else whoever runs the routers clamps the segment size",
            CLAMP,
        ),
        Cause::PacketsTooBig => (
            "listings work and transfers stall: packets too big for the path, and the message that says so is dropped",
            "whoever runs the routers lets ICMP \"fragmentation needed\" pass, or clamps the segment size",
            CLAMP,
        ),
        Cause::PasvPrivate => (
            "the server is behind NAT and PASV announces its private address; EPSV works",
            "the client uses EPSV; the server's operator sets the public address",
            FORWARD,
        ),
        Cause::ForwardMissing => (
            "the server is behind NAT, and its passive ports are not forwarded",
            "whoever runs the server's NAT forwards the range, and the operator sets the public address",
            FORWARD,
        ),
        Cause::PasvStale => (
            "PASV announces an address at which nothing answers",
            "the server's operator corrects the announced address; the client uses EPSV",
            FORWARD,
        ),
        Cause::PasvOverIpv6 => ("PASV cannot carry IPv6 addresses", "the client uses EPSV", &[]),
        Cause::HelperBlinded => (
            "what works in clear does so by an FTP helper in a firewall or NAT, and no helper can look into TLS",
            "open and forward the passive ports for good, as if there were no helper",
            OPEN,
        ),
        Cause::Helper => (
            "active mode works only by a helper in the NAT, and only in clear on port 21",
            "use passive mode; do not rely on the helper",
            &[],
        ),
        Cause::ClientNat => ("active mode cannot work: this client is behind NAT", "use passive mode", &[]),
        Cause::ActiveBlocked => (
            "active mode does not work: the server's connection does not reach this client (its firewall inbound, or the server's outbound)",
            "use passive mode",
            &[],
        ),
        Cause::ControlExpires => (
            "the control connection dies while it is quiet: a NAT or firewall forgets it",
            "whoever runs it raises the time for established TCP connections above the longest transfer; the client sends keepalives, and compares SIZE before it repeats an upload",
            &["linux:    sysctl net.netfilter.nf_conntrack_tcp_timeout_established=86400"],
        ),
        Cause::ReuseDemanded => (
            "the server wants data connections to resume the TLS session of the control connection",
            "the client reuses the session (curl and lftp do, Python's ftplib does not); or the operator relaxes it: data_session = \"prefer\" (ftp-server), require_ssl_reuse=NO (vsftpd), NoSessionReuseRequired (ProFTPD)",
            &[],
        ),
        Cause::DataHandshakeFails => {
            ("the TLS handshake on the data connection fails", "see what was seen", &[])
        }
        Cause::Truncates => (
            "this server empties a file before any data arrive: failed uploads destroy the old version and leave 0 octets",
            "upload under another name and rename, or use a server that publishes whole files only",
            &[],
        ),
        Cause::Refused => ("the server refuses it", "see what it said", &[]),
    }
}
