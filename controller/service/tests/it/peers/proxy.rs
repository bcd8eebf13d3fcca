//! Stands before a server, so that connections can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Ends the connections there are.
    current: Arc<Mutex<CancellationToken>>,
    /// Ends everything.
    _stop: DropGuard,
}

impl Proxy {
    pub(crate) async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let current = Arc::new(Mutex::new(stop.child_token()));
        let (token, stopped) = (Arc::clone(&current), stop.clone());
        tokio::spawn(async move {
            while let Some(Ok((mut inbound, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (over, target) = (token.lock().unwrap().clone(), target.clone());
                tokio::spawn(async move {
                    over.run_until_cancelled(async {
                        let mut outbound = TcpStream::connect(target).await?;
                        tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await
                    })
                    .await
                });
            }
        });
        // Whoever makes it has it before anybody else can stop it.
        let guard = stop.drop_guard();
        Self { address, current, _stop: guard }
    }

    /// Cuts all connections; new ones are let through.
    pub(crate) fn cut(&self) {
        let mut current = self.current.lock().unwrap();
        current.cancel();
        *current = CancellationToken::new();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.current.lock().unwrap().cancel();
    }
}
