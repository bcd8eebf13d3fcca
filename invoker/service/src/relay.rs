//! The API for actions, where it is on this very machine: sandboxes reach no address of the host but their gateway, so
//! what they send there is passed on as it is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ApiRelay;

/// Connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;
const CONNECT: Duration = Duration::from_secs(5);
/// Pause after a failure to accept: there may be no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Passes on what arrives at `listener` until `stop`, which ends its connections as well.
pub(crate) async fn serve(listener: TcpListener, api: ApiRelay, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let api = Arc::new(api);
    while let Some((stream, place)) = stop.run_until_cancelled(accept(&listener, &places)).await.flatten() {
        let (api, stop) = (Arc::clone(&api), stop.clone());
        connections.spawn(async move {
            if let Some(Err(error)) = stop.run_until_cancelled(pass_on(stream, &api)).await {
                tracing::debug!(%error, "a connection of an action to the API ended early");
            }
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    loop {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of an action to the API");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn pass_on(mut action: TcpStream, api: &ApiRelay) -> io::Result<()> {
    let connecting = TcpStream::connect((api.host.as_str(), api.port));
    let mut server = tokio::time::timeout(CONNECT, connecting).await.map_err(io::Error::other)??;
    for stream in [&action, &server] {
        stream.set_nodelay(true)?;
    }
    tokio::io::copy_bidirectional(&mut action, &mut server).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use oxwhisk_config::Setting as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn bytes_go_both_ways_until_it_is_stopped() {
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relayed = ApiRelay::read(&format!("http://{}", api.local_addr().unwrap())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, relayed, stop.clone()));
        let mut action = TcpStream::connect(address).await.unwrap();
        action.write_all(b"request").await.unwrap();
        let (mut server, _) = api.accept().await.unwrap();
        let mut got = [0; 7];
        server.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"request");
        server.write_all(b"answer").await.unwrap();
        let mut got = [0; 6];
        action.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"answer");
        stop.cancel();
        serving.await.unwrap();
        assert_eq!(action.read(&mut got).await.unwrap_or(0), 0);
    }
}
