//! A way to the daemon that tests can cut, stop and make silent.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Passes connections on to a daemon's socket.
pub(crate) struct Wire {
    folder: tempfile::TempDir,
    state: Arc<State>,
}

struct State {
    daemon: PathBuf,
    /// Connections of an older count are cut.
    cuts: watch::Sender<u32>,
    /// Connections are closed at once.
    refusing: AtomicBool,
    /// Connections are taken and nothing is passed on.
    silent: AtomicBool,
    taken: AtomicUsize,
}

impl Wire {
    pub(crate) fn to(host: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let state = Arc::new(State {
            daemon: PathBuf::from(host.strip_prefix("unix://").unwrap()),
            cuts: watch::channel(0).0,
            refusing: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
        });
        tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { folder, state }
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    /// Breaks every connection that is open.
    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(crate) fn refuse(&self, refusing: bool) {
        self.state.refusing.store(refusing, Ordering::SeqCst);
    }

    pub(crate) fn silence(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    /// Connections that were taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.state.taken.load(Ordering::SeqCst)
    }
}

async fn serve(listener: UnixListener, state: Arc<State>) {
    while let Ok((near, _)) = listener.accept().await {
        state.taken.fetch_add(1, Ordering::SeqCst);
        if !state.refusing.load(Ordering::SeqCst) {
            tokio::spawn(pass_on(near, Arc::clone(&state)));
        }
    }
}

async fn pass_on(mut near: UnixStream, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    let pass = async {
        if state.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Ok(mut far) = UnixStream::connect(&state.daemon).await {
            // Whichever side fails, both are closed.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
    };
    tokio::select! {
        () = pass => {}
        _ = cuts.changed() => {}
    }
}
