//! Which of a server's proxies sweeps it: the one whose name is under a key there, which expires unless it is renewed.

use std::time::{Duration, Instant};

use super::link::{Failed, Link, text};

const KEY: &[u8] = b"0sweeper";

#[derive(Debug)]
pub(super) struct Lease {
    /// This proxy's name.
    id: String,
    lasts: Duration,
    /// When it was got or renewed last; `None`: this proxy does not have it.
    held: Option<Instant>,
}

impl Lease {
    pub(super) const fn new(id: String, lasts: Duration) -> Self {
        Self { id, lasts, held: None }
    }

    /// Takes it, if nobody has it, and keeps it. Says whether this proxy has it.
    pub(super) async fn hold(&mut self, link: &mut Link) -> Result<bool, Failed> {
        match self.keep(link).await {
            Err(Failed::LostLease) => {}
            kept => return kept.map(|()| true),
        }
        let lasts = self.milliseconds();
        let asked = Instant::now();
        match link.ask_one(&[b"SET", KEY, self.id.as_bytes(), b"NX", b"PX", &lasts]).await {
            Ok(reply) if &*reply == b"+OK\r\n" => self.held = Some(asked),
            Ok(_) => {}
            // A server that is full takes no keys, and only sweeping makes room. Who else sweeps now does no harm.
            Err(Failed::Refused(why)) if why.starts_with("OOM ") => return Ok(true),
            Err(failed) => return Err(failed),
        }
        Ok(self.held.is_some())
    }

    /// Renews it, if that is due.
    pub(super) async fn keep(&mut self, link: &mut Link) -> Result<(), Failed> {
        let Some(held) = self.held else { return Err(Failed::LostLease) };
        let now = Instant::now();
        if now.saturating_duration_since(held) < self.lasts / 3 {
            return Ok(());
        }
        // Whoever has it meanwhile has it a little longer: that is all that asking like this can do to it.
        let reply = link.ask_one(&[b"GETEX", KEY, b"PX", &self.milliseconds()]).await?;
        self.held = (text(&reply) == Some(self.id.as_bytes())).then_some(now);
        self.held.map(drop).ok_or(Failed::LostLease)
    }

    pub(super) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The server may have lost it.
    pub(super) const fn forget(&mut self) {
        self.held = None;
    }

    fn milliseconds(&self) -> Vec<u8> {
        self.lasts.as_millis().max(1).to_string().into_bytes()
    }
}
