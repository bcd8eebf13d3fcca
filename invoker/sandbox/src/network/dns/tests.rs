use super::*;

const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The same free port for both protocols: one that is free for UDP may be taken for TCP, so another is tried then.
async fn sockets() -> (UdpSocket, TcpListener, SocketAddr) {
    for _ in 0..100 {
        let udp = UdpSocket::bind(loopback()).await.unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(address).await {
            return (udp, tcp, address);
        }
    }
    panic!("no port is free for UDP and TCP");
}

/// An upstream that answers over both protocols with the question and `!`.
async fn upstream(tasks: &mut tokio::task::JoinSet<()>) -> SocketAddr {
    let (udp, tcp, address) = sockets().await;
    tasks.spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
            let forged = [b"\x00\x00", &buffer[2..length]].concat();
            udp.send_to(&forged, client).await.unwrap();
            udp.send_to(&[&buffer[..length], b"!"].concat(), client).await.unwrap();
        }
    });
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let question = read_message(&mut stream).await.unwrap();
            write_message(&mut stream, &[&question[..], b"!"].concat()).await.unwrap();
        }
    });
    address
}

async fn forwarder(upstreams: Vec<SocketAddr>) -> (Forwarder, SocketAddr) {
    let (udp, tcp, address) = sockets().await;
    (Forwarder::start(udp, tcp, upstreams, Duration::from_millis(200)), address)
}

async fn ask(address: SocketAddr) -> Vec<u8> {
    let socket = UdpSocket::bind(loopback()).await.unwrap();
    socket.send_to(QUESTION, address).await.unwrap();
    let mut buffer = [0; 512];
    let received = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut buffer)).await;
    buffer[..received.unwrap().unwrap()].to_vec()
}

#[tokio::test]
async fn questions_are_forwarded_over_both_protocols_and_forged_answers_dropped() {
    let mut tasks = tokio::task::JoinSet::new();
    let (forwarder, address) = forwarder(vec![upstream(&mut tasks).await]).await;
    assert_eq!(ask(address).await, [QUESTION, b"!"].concat());
    let mut stream = TcpStream::connect(address).await.unwrap();
    write_message(&mut stream, QUESTION).await.unwrap();
    assert_eq!(read_message(&mut stream).await.unwrap(), [QUESTION, b"!"].concat());
    forwarder.stop().await;
}

#[tokio::test]
async fn a_silent_name_server_is_passed_over() {
    let mut tasks = tokio::task::JoinSet::new();
    let silent = UdpSocket::bind(loopback()).await.unwrap();
    let upstreams = vec![silent.local_addr().unwrap(), upstream(&mut tasks).await];
    let (forwarder, address) = forwarder(upstreams).await;
    assert_eq!(ask(address).await, [QUESTION, b"!"].concat());
    forwarder.stop().await;
}

#[test]
fn name_servers_are_read_from_the_file() {
    let text = "# nameserver 1.1.1.1\nnameserver 127.0.0.53\nsearch x\n nameserver 10.107.0.1\nnameserver fe80::1%eth0\n";
    let own = Ipv4Addr::new(10, 107, 0, 1);
    assert_eq!(upstreams_of(text, own), [IpAddr::from([127, 0, 0, 53])]);
}
