//! Stands before a server, so that connections can be cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Ends the connections there are.
    current: Arc<Mutex<CancellationToken>>,
    held: watch::Sender<bool>,
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
        let held = watch::Sender::new(false);
        let holds = held.subscribe();
        tokio::spawn(async move {
            while let Some(Ok((mut inbound, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (over, target) = (token.lock().unwrap().clone(), target.clone());
                let mut holds = holds.clone();
                tokio::spawn(async move {
                    over.run_until_cancelled(async {
                        let mut outbound = TcpStream::connect(target).await?;
                        let mut copying =
                            std::pin::pin!(tokio::io::copy_bidirectional(&mut inbound, &mut outbound));
                        loop {
                            let held = *holds.borrow_and_update();
                            tokio::select! {
                                copied = &mut copying, if !held => return copied,
                                Ok(()) = holds.changed() => {}
                                else => return Ok((0, 0)),
                            }
                        }
                    })
                    .await
                });
            }
        });
        // Whoever makes it has it before anybody else can stop it.
        let guard = stop.drop_guard();
        Self { address, current, held, _stop: guard }
    }

    /// Lets nothing through, or goes on where it stopped; connections stay.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
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
