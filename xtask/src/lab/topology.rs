//! Hosts, links, addresses, routes and rules of one network, inside its namespaces.
//!
//! ```text
//! client ── client gateway ── wan ── server gateway ── server (and a second node)
//!                              └── stranger
//! ```
//!
//! Gateways call their inner side `lan` and their outer side `wan`.

use std::fs;
use std::process::Command;

use super::networks::{Nat, Network};
use crate::run::run;

/// The addresses of one network.
pub(super) struct Addresses {
    client: &'static str,
    client_gateway: &'static str,
    server: &'static str,
    server_gateway: &'static str,
    /// Where the client connects to.
    pub(super) target: &'static str,
}

pub(super) fn addresses(network: &Network) -> Addresses {
    if network.setup == "ipv6" {
        return Addresses {
            client: "2001:db8:1::2",
            client_gateway: "2001:db8:1::1",
            server: "2001:db8:4::2",
            server_gateway: "2001:db8:4::1",
            target: "2001:db8:4::2",
        };
    }
    let (client, client_gateway) = if network.client_nat == Nat::No {
        ("198.51.100.2", "198.51.100.1")
    } else {
        ("10.1.0.2", "10.1.0.1")
    };
    let (server, server_gateway) = if network.server_nat == Nat::No {
        ("198.51.100.194", "198.51.100.193")
    } else {
        ("10.2.0.2", "10.2.0.1")
    };
    let target = if network.server_nat == Nat::No { server } else { "198.51.100.130" };
    Addresses { client, client_gateway, server, server_gateway, target }
}

fn shell(script: &str) -> Result<(), String> {
    run(Command::new("sh").args(["-euc", script]))
}

/// Hosts, links, addresses and routes.
pub(super) fn build(network: &Network, at: &Addresses) -> Result<(), String> {
    let v6 = network.setup == "ipv6";
    let (wide, lan) = if v6 { ("/64", "/64") } else { ("/28", "/28") };
    let (client_wan, wan_client, server_wan, wan_server, stranger, wan_stranger) = if v6 {
        ("2001:db8:2::2", "2001:db8:2::1", "2001:db8:3::2", "2001:db8:3::1", "2001:db8:5::2", "2001:db8:5::1")
    } else {
        ("198.51.100.66", "198.51.100.65", "198.51.100.130", "198.51.100.129", "203.0.113.2", "203.0.113.1")
    };
    let mut script = String::from(
        "mount -t tmpfs none /run\nfor host in c cg w sg s n x; do ip netns add $host; ip -n $host link set lo up; done\n\
         link() { ip link add $2 netns $1 type veth peer name $4 netns $3; ip -n $1 link set $2 up; ip -n $3 link set $4 up; }\n\
         link c eth0 cg lan\nlink cg wan w client\nlink w server sg wan\nlink sg lan s eth0\nlink w stranger x eth0\nlink sg node n eth0\n\
         for host in cg w sg; do ip netns exec $host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; done\n",
    );
    let nodad = if v6 { " nodad" } else { "" };
    for (host, link, address, width) in [
        ("c", "eth0", at.client, lan),
        ("cg", "lan", at.client_gateway, lan),
        ("cg", "wan", client_wan, wide),
        ("w", "client", wan_client, wide),
        ("w", "server", wan_server, wide),
        ("sg", "wan", server_wan, wide),
        ("sg", "lan", at.server_gateway, lan),
        ("s", "eth0", at.server, lan),
        ("w", "stranger", wan_stranger, wide),
        ("x", "eth0", stranger, wide),
    ] {
        script += &format!("ip -n {host} addr add {address}{width} dev {link}{nodad}\n");
    }
    for (host, gateway) in [
        ("c", at.client_gateway),
        ("cg", wan_client),
        ("sg", wan_server),
        ("s", at.server_gateway),
        ("x", wan_stranger),
    ] {
        script += &format!("ip -n {host} route add default via {gateway}\n");
    }
    let net = |address: &str| {
        if v6 {
            format!("{}::/64", address.trim_end_matches("::1"))
        } else {
            format!("{}/28", network_of(address))
        }
    };
    script += &format!("ip -n w route add {} via {client_wan}\n", net(at.client_gateway));
    script += &format!("ip -n w route add {} via {server_wan}\n", net(at.server_gateway));
    script += "ip -n sg addr add 10.3.0.1/28 dev node\nip -n n addr add 10.3.0.2/28 dev eth0\nip -n n route add default via 10.3.0.1\n";
    shell(&script)
}

/// The first address of a /28.
fn network_of(address: &str) -> String {
    let (head, last) = address.rsplit_once('.').unwrap_or((address, "0"));
    let last: u8 = last.parse().unwrap_or(0);
    format!("{head}.{}", last & 0xf0)
}

/// Rules of both gateways, and what else makes this network.
pub(super) fn rules(network: &Network, at: &Addresses) -> Result<(), String> {
    let chain = |rules: &str| {
        format!(
            "table inet filter {{\n  chain forward {{\n    type filter hook forward priority 0;\n    {rules}\n  }}\n}}\n"
        )
    };
    let helper = "table ip helper {\n  ct helper ftp {\n    type \"ftp\" protocol tcp;\n  }\n  chain prerouting {\n    \
                  type filter hook prerouting priority -150;\n    tcp dport 21 ct helper set \"ftp\"\n  }\n}\n";
    let (mut client, mut server) = (chain(network.client_rules), chain(network.server_rules));
    if network.client_nat != Nat::No {
        let rule = if network.setup == "pool" {
            "oifname \"wan\" tcp dport { 21, 990, 3021, 3990 } snat to 198.51.100.66\n    oifname \"wan\" snat to 198.51.100.67"
        } else {
            "oifname \"wan\" masquerade"
        };
        client += &format!(
            "table ip nat {{\n  chain postrouting {{\n    type nat hook postrouting priority 100;\n    {rule}\n  }}\n}}\n"
        );
    }
    if network.server_nat != Nat::No {
        let (home, data) = (at.server, "40000-50000");
        let forward = match network.setup {
            "control-only" => String::new(),
            "wrong-range" => format!("iifname \"wan\" tcp dport 30000-39999 dnat to {home}"),
            "balancer" => format!(
                "iifname \"wan\" tcp dport {data} dnat to numgen inc mod 2 map {{ 0 : {home}, 1 : 10.3.0.2 }}"
            ),
            _ => format!("iifname \"wan\" tcp dport {data} dnat to {home}"),
        };
        server += &format!(
            "table ip nat {{\n  chain prerouting {{\n    type nat hook prerouting priority -100;\n    \
             iifname \"wan\" tcp dport {{ 21, 990, 3021, 3990 }} dnat to {home}\n    {forward}\n  }}\n  chain postrouting {{\n    \
             type nat hook postrouting priority 100;\n    oifname \"wan\" masquerade\n  }}\n}}\n"
        );
    }
    if network.client_nat == Nat::Helper {
        client += helper;
    }
    if network.server_nat == Nat::Helper {
        server += helper;
    }
    if network.setup == "proxy" {
        client += "table ip proxy {\n  chain prerouting {\n    type nat hook prerouting priority -100;\n    \
                   iifname \"lan\" tcp dport 40000-50000 redirect to :9999\n  }\n}\n";
    }
    for (host, rules) in [("cg", &client), ("sg", &server)] {
        let file = format!("/run/{host}.nft");
        fs::write(&file, rules).map_err(|error| error.to_string())?;
        shell(&format!("ip netns exec {host} nft -f {file}"))?;
    }
    shell(match network.setup {
        "pool" => "ip -n cg addr add 198.51.100.67/28 dev wan",
        "pmtu" => {
            "ip -n w link set server mtu 1300; ip -n sg link set wan mtu 1300\n\
             for host in w sg; do printf 'table ip quiet {\\n chain output {\\n type filter hook output priority 0;\\n icmp type destination-unreachable drop\\n }\\n}\\n' | ip netns exec $host nft -f -; done"
        }
        "expiry" => {
            "ip netns exec cg sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=4 net.netfilter.nf_conntrack_tcp_loose=0"
        }
        _ => "true",
    })
}
