//! A machine on the internet: a network namespace linked to the host, in which a small program answers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// Port of the echo service: over TCP it answers with the caller's address, over UDP with all it has received.
pub(crate) const ECHO: u16 = 7000;

const PROGRAM: &str = "
import socket, struct, sys, threading
def tcp():
    server = socket.create_server(('0.0.0.0', 7000))
    while True:
        connection, caller = server.accept()
        connection.recv(100); connection.sendall(caller[0].encode()); connection.close()
def udp():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(('0.0.0.0', 7000))
    seen = b''
    while True:
        text, caller = server.recvfrom(100); seen += text; server.sendto(seen, caller)
def answer(question):
    end = question.index(b'\\0', 12) + 5
    kind = question[end - 4:end - 2]
    record = b'\\xc0\\x0c' + struct.pack('>HHIH', 1, 1, 60, 4) + bytes([203, 0, 113, 7]) if kind == b'\\0\\1' else b''
    return question[:2] + struct.pack('>HHHHH', 0x8180, 1, 1 if record else 0, 0, 0) + question[12:end] + record
def dns_udp():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(('0.0.0.0', 53))
    while True:
        question, caller = server.recvfrom(4096); server.sendto(answer(question), caller)
def dns_tcp():
    server = socket.create_server(('0.0.0.0', 53))
    while True:
        connection, caller = server.accept()
        length, = struct.unpack('>H', connection.recv(2))
        reply = answer(connection.recv(length)); connection.sendall(struct.pack('>H', len(reply)) + reply); connection.close()
for body in (tcp, udp, dns_udp, dns_tcp): threading.Thread(target=body, daemon=True).start()
print('ready', flush=True)
for line in sys.stdin:
    address, port = line.split()
    try: print(socket.create_connection((address, int(port)), 2).recv(10), flush=True)
    except OSError as error: print(error, flush=True)
";

/// Ends with its value.
pub(crate) struct Peer {
    program: Child,
    output: BufReader<std::process::ChildStdout>,
    link: String,
    host: String,
    address: String,
}

impl Peer {
    /// Starts it on a network of the range kept for documentation, its own for each test process.
    pub(crate) fn start() -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("not root".into());
        }
        let number = std::process::id();
        let third = number % 64 * 4;
        let (host, address) = (format!("198.51.100.{}", third + 1), format!("198.51.100.{}", third + 2));
        let link = format!("otp{number}");
        let mut program = Command::new("unshare")
            .args(["--net", "--kill-child", "python3", "-c", PROGRAM])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare and python3 are needed: {error}"))?;
        let mut output = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the peer's program does not run");
        let pid = program.id();
        let inside = format!("nsenter --target {pid} --net ip");
        for command in [
            format!("ip link add {link} type veth peer name eth0 netns {pid}"),
            format!("ip addr add {host}/30 dev {link}"),
            format!("ip link set {link} up"),
            format!("{inside} addr add {address}/30 dev eth0"),
            format!("{inside} link set eth0 up"),
            format!("{inside} route add default via {host}"),
        ] {
            let mut words = command.split(' ');
            let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
            assert!(status.success(), "{command}");
        }
        Ok(Self { program, output, link, host, address })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The host's side of the link.
    pub(crate) fn host_address(&self) -> &str {
        &self.host
    }

    /// Connects from the peer; what it hears or the error.
    pub(crate) fn try_connect(&mut self, address: &str, port: u16) -> String {
        writeln!(self.program.stdin.as_ref().unwrap(), "{address} {port}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.link]).status();
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
