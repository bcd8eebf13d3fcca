//! A name server on the gateway address that hands questions on: a host's own resolver often listens on loopback,
//! where no sandbox reaches it, and the one door is easier to watch than any outside server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dns::per_client::Clients;

mod per_client;

/// Questions under way at once, over all sandboxes and for one of them.
const MAX_QUESTIONS: usize = 512;
const MAX_PER_SANDBOX: usize = 64;
/// Largest message over UDP with the usual extension.
const MAX_DATAGRAM: usize = 4096;
/// A question's header.
const MIN_MESSAGE: usize = 12;
const PORT: u16 = 53;

/// Forwards until it is stopped.
#[derive(Debug)]
pub(crate) struct Forwarder {
    stop: CancellationToken,
    tasks: TaskTracker,
    upstreams: Arc<[SocketAddr]>,
}

#[derive(Debug)]
struct Shared {
    upstreams: Arc<[SocketAddr]>,
    timeout: Duration,
    questions: Arc<Semaphore>,
    clients: Clients,
}

impl Forwarder {
    /// Serves the two sockets, which are bound to the gateway's port 53.
    pub(crate) fn start(
        udp: UdpSocket,
        tcp: TcpListener,
        upstreams: Vec<SocketAddr>,
        timeout: Duration,
    ) -> Self {
        let upstreams: Arc<[SocketAddr]> = upstreams.into();
        let shared = Arc::new(Shared {
            upstreams: Arc::clone(&upstreams),
            timeout,
            questions: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            clients: Clients::new(MAX_PER_SANDBOX),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(serve_udp(
            Arc::new(udp),
            Arc::clone(&shared),
            tasks.clone(),
            stop.clone(),
        )));
        tasks.spawn(stop.clone().run_until_cancelled_owned(serve_tcp(
            tcp,
            shared,
            tasks.clone(),
            stop.clone(),
        )));
        tasks.close();
        Self { stop, tasks, upstreams }
    }

    pub(crate) fn upstreams(&self) -> &[SocketAddr] {
        &self.upstreams
    }

    /// Ends all its tasks.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Name servers of a `resolv.conf`, without those at `own`: asking oneself would go round for ever.
pub(crate) fn upstreams_of(resolv_conf: &str, own: Ipv4Addr) -> Vec<IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .filter(|address| *address != IpAddr::V4(own))
        .collect()
}

/// Standard port for addresses of name servers.
pub(crate) fn with_port(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::new(address, PORT)).collect()
}

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>, tasks: TaskTracker, stop: CancellationToken) {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An earlier answer's sandbox is gone; the socket is well.
            Err(_) => continue,
        };
        // Over the limits the question is dropped: the asker asks again, as for any lost datagram.
        let Ok(permit) = Arc::clone(&shared.questions).try_acquire_owned() else { continue };
        let Some(place) = shared.clients.enter(client.ip()) else { continue };
        if length < MIN_MESSAGE {
            continue;
        }
        let (question, socket, shared) =
            (buffer[..length].to_vec(), Arc::clone(&socket), Arc::clone(&shared));
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            if let Some(answer) = ask_udp(&shared, &question).await {
                let _ = socket.send_to(&answer, client).await;
            }
            drop((permit, place));
        }));
    }
}

/// The first upstream that answers the question within its time.
async fn ask_udp(shared: &Shared, question: &[u8]) -> Option<Vec<u8>> {
    for upstream in shared.upstreams.iter() {
        match tokio::time::timeout(shared.timeout, exchange_udp(*upstream, question)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => tracing::debug!(%upstream, %error, "a name server failed"),
            Err(_) => tracing::debug!(%upstream, "a name server did not answer in time"),
        }
    }
    None
}

/// A socket for each question: its random port makes forged answers as hard as for the host itself.
async fn exchange_udp(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = if upstream.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    socket.send(question).await?;
    let mut answer = vec![0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length >= MIN_MESSAGE && answer[..2] == question[..2] {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: do not spin.
                tracing::debug!(%error, "cannot accept a name server connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&shared.questions).try_acquire_owned() else { continue };
        let Some(place) = shared.clients.enter(client.ip()) else { continue };
        let shared = Arc::clone(&shared);
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            // Four steps each way, none of which may take longer than a name server may.
            let limit = shared.timeout * 4;
            if let Ok(Err(error)) = tokio::time::timeout(limit, answer_tcp(&shared, stream)).await {
                tracing::debug!(%error, "a name server connection failed");
            }
            drop((permit, place));
        }));
    }
}

/// One question and its answer; askers over TCP have one, as a rule.
async fn answer_tcp(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let question = read_message(&mut stream).await?;
    for upstream in shared.upstreams.iter() {
        let exchange = async {
            let mut server = TcpStream::connect(upstream).await?;
            write_message(&mut server, &question).await?;
            read_message(&mut server).await
        };
        if let Ok(Ok(answer)) = tokio::time::timeout(shared.timeout, exchange).await {
            return write_message(&mut stream, &answer).await;
        }
    }
    Err(io::Error::other("no name server answered"))
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}

#[cfg(test)]
mod tests;
