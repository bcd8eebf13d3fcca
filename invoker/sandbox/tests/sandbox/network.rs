//! What a sandbox reaches and what it does not. The internet is a peer in a network namespace of its own.

mod peer;

use oxwhisk_sandbox::NetworkMode;

use crate::harness::{Outcome, Test};
use crate::rig::{Action, Rig, block_on};
use peer::Peer;

pub(crate) const TESTS: &[Test] = &[
    ("network::an_outbound_connection_works_from_the_hosts_address", outbound),
    ("network::names_resolve_over_udp_and_tcp", names),
    ("network::the_api_is_reached_and_no_other_port_of_the_host", api_and_nothing_else),
    ("network::special_destinations_are_dropped", special_destinations),
    ("network::sandboxes_do_not_reach_each_other_nor_does_the_outside", no_way_in),
    ("network::a_forged_sender_does_not_get_out", forged_sender),
    ("network::without_a_network_there_is_loopback_alone", isolated),
];

/// Connects and answers with what is received, or with the exception's name. Two seconds tell a dropped packet from one
/// that is answered: each test has an answered one, on the same machine, for comparison.
async fn connect(action: &Action, address: &str, port: u16) -> String {
    let code = format!(
        "import socket\ntry:\n    s = socket.create_connection(({address:?}, {port}), 2)\n    s.sendall(b'hello\\n')\n    \
         result = s.recv(100).decode()\nexcept OSError as error:\n    result = type(error).__name__\n"
    );
    action.run(&code).await
}

const DROPPED: &str = "'TimeoutError'";

fn outbound() -> Outcome {
    block_on(async {
        let peer = Peer::start()?;
        let rig = Rig::start().await?;
        let action = rig.python("outbound").await;
        // The peer answers with the address it was called from.
        assert_eq!(connect(&action, peer.address(), peer::ECHO).await, format!("'{}'", peer.host_address()));
        let counts = action.run("result = open('/proc/net/if_inet6').read()").await;
        assert_eq!(counts, "''", "no IPv6 address, not even on loopback");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn names() -> Outcome {
    block_on(async {
        let peer = Peer::start()?;
        let server = peer.address().parse().unwrap();
        let rig = Rig::with(|config| config.network.dns_upstreams = vec![server]).await?;
        let action = rig.python("names").await;
        let code = "import socket; result = socket.gethostbyname('any.example')";
        assert_eq!(action.run(code).await, "'203.0.113.7'");
        let over_tcp = "
import socket, struct
name_server = open('/etc/resolv.conf').read().split()[1]
question = struct.pack('>HHHHHH', 7, 256, 1, 0, 0, 0) + b'\\3any\\7example\\0' + struct.pack('>HH', 1, 1)
s = socket.create_connection((name_server, 53), 5)
s.sendall(struct.pack('>H', len(question)) + question)
result = socket.inet_ntoa(s.recv(512)[-4:])
";
        assert_eq!(action.run(over_tcp).await, "'203.0.113.7'");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

fn api_and_nothing_else() -> Outcome {
    block_on(async {
        let rig = Rig::start().await?;
        let action = rig.python("api").await;
        let gateway = rig.factory.gateway().unwrap().to_string();
        let api = rig.factory.api_listener().await.unwrap().unwrap();
        // Another service of the host, on the same address and on loopback.
        let other = rig.factory.listener(3234).await.unwrap().unwrap();
        let loopback = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let serve = tokio::spawn(async move {
            let api = tokio::net::TcpListener::from_std(api).unwrap();
            loop {
                let (mut stream, caller) = api.accept().await.unwrap();
                let caller = caller.ip().to_string();
                tokio::io::AsyncWriteExt::write_all(&mut stream, caller.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(rig.factory.api_host_in_sandbox().unwrap(), format!("http://{gateway}:3233"));
        // What is between them translates nothing: a server there knows a sandbox by its address.
        let own = action.container.address().unwrap();
        assert_eq!(connect(&action, &gateway, 3233).await, format!("'{own}'"));
        assert_eq!(connect(&action, &gateway, other.local_addr().unwrap().port()).await, DROPPED);
        let port = loopback.local_addr().unwrap().port();
        // Its own loopback, on which nobody listens.
        assert_eq!(connect(&action, "127.0.0.1", port).await, "'ConnectionRefusedError'");
        for address in host_addresses() {
            assert_eq!(connect(&action, &address, port).await, DROPPED, "{address}");
            assert_eq!(connect(&action, &address, 3233).await, DROPPED, "{address}");
        }
        serve.abort();
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

/// The machine's own addresses beside loopback and the sandboxes' networks.
fn host_addresses() -> Vec<String> {
    let output = std::process::Command::new("ip")
        .args(["-o", "-4", "addr", "show", "scope", "global"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.contains(" ow"))
        .filter_map(|line| line.split_whitespace().nth(3)?.split('/').next().map(str::to_owned))
        .collect()
}

fn special_destinations() -> Outcome {
    block_on(async {
        let peer = Peer::start()?;
        let rig = Rig::start().await?;
        let action = rig.python("special").await;
        for address in ["169.254.169.254", "10.107.255.254"] {
            assert_eq!(connect(&action, address, 80).await, DROPPED, "{address}");
        }
        // To these the kernel itself refuses, for want of a route or a right.
        for address in ["224.0.0.1", "255.255.255.255"] {
            assert_ne!(connect(&action, address, 80).await, "''", "{address}");
        }
        assert!(connect(&action, peer.address(), peer::ECHO).await.contains(peer.host_address()));
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

const LISTEN: &str = "
import builtins, socket, threading
s = socket.create_server(('0.0.0.0', 8080))
builtins.kept = s
def serve():
    while True:
        c, a = s.accept(); c.sendall(b'inside'); c.close()
threading.Thread(target=serve, daemon=True).start()
import fcntl, struct
result = socket.inet_ntoa(fcntl.ioctl(s.fileno(), 0x8915, struct.pack('256s', b'eth0'))[20:24])
";

fn no_way_in() -> Outcome {
    block_on(async {
        let mut peer = Peer::start()?;
        let rig = Rig::start().await?;
        let (listener, caller) = (rig.python("listener").await, rig.python("caller").await);
        let address = listener.run(LISTEN).await.trim_matches('\'').to_owned();
        assert_eq!(connect(&listener, &address, 8080).await, "'inside'");
        assert_eq!(connect(&caller, &address, 8080).await, DROPPED);
        // The peer has a route to it, by the host.
        assert_eq!(peer.try_connect(&address, 8080), "timed out");
        listener.end().await;
        caller.end().await;
        rig.end().await;
        Ok(())
    })
}

/// The rules are tried for themselves: the host gives the sandbox an address that is not its own, which nothing in it
/// could do.
fn forged_sender() -> Outcome {
    block_on(async {
        let peer = Peer::start()?;
        let rig = Rig::start().await?;
        let action = rig.python("forger").await;
        let gateway = rig.factory.gateway().unwrap().octets();
        let neighbour = format!("{}.{}.{}.77", gateway[0], gateway[1], gateway[2]);
        let namespace = action.run("import os; result = os.readlink('/proc/self/ns/net')").await;
        let pid = pid_in_namespace(namespace.trim_matches('\''));
        for address in [neighbour.as_str(), "192.0.2.99"] {
            let status = std::process::Command::new("nsenter")
                .args([&format!("--net=/proc/{pid}/ns/net"), "ip", "addr", "add", address, "dev", "eth0"])
                .status();
            assert!(status.unwrap().success());
        }
        let code = format!(
            "
import socket
def send(source, text):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.bind((source, 0))
    s.sendto(text, ({peer:?}, {port}))
    return s
send({neighbour:?}, b'forged')
send('192.0.2.99', b'forged')
result = send('0.0.0.0', b'genuine').recv(100)
",
            peer = peer.address(),
            port = peer::ECHO,
        );
        // The peer answers with all it has ever received; on one path packets do not overtake each other.
        assert_eq!(action.run(&code).await, "b'genuine'");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}

/// A process on the host that is in the network namespace called `net:[...]`.
fn pid_in_namespace(name: &str) -> u32 {
    let inside = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link.to_string_lossy() == name)
    };
    let pids = std::fs::read_dir("/proc").unwrap();
    pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .find(inside)
        .expect("nobody is in it")
}

fn isolated() -> Outcome {
    block_on(async {
        let rig = Rig::with(|config| config.network.mode = NetworkMode::Isolated).await?;
        assert!(rig.factory.gateway().is_none() && rig.factory.api_listener().await.is_none());
        let action = rig.python("isolated").await;
        assert_eq!(action.container.address(), None);
        assert_eq!(
            action.run("import socket; result = [n for _, n in socket.if_nameindex()]").await,
            "['lo']"
        );
        assert_eq!(connect(&action, "198.51.100.2", 80).await, "'OSError'");
        let own = "import socket; s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); result = 1";
        assert_eq!(action.run(own).await, "1");
        action.end().await;
        rig.end().await;
        Ok(())
    })
}
