//! Requests, one after the other.

use bytes::{Buf as _, BytesMut};
use oxwhisk_cache_commands::{Asked, Bounds, Malformed, Progress, Request, plan};

use super::{Connection, End, Stream, batch};

/// Of whoever has shown nothing yet: a login is short.
const STRANGERS: Bounds = Bounds { arguments: 16, argument: 1 << 10, line: 4 << 10, request: 8 << 10 };
/// Replies that wait here before they are written.
const LARGE: usize = 128 << 10;

impl<S: Stream> Connection<S> {
    /// Does all requests that are there as a whole.
    pub(super) async fn work(&mut self) -> Result<(), End> {
        loop {
            // Taken out, so that a request can be looked at while the rest of the connection is at work.
            let mut input = std::mem::take(&mut self.input);
            let mut request = std::mem::take(&mut self.request);
            self.right = None;
            let done = self.requests(&mut input, &mut request).await;
            // What came while a command waited is behind the rest.
            let came = std::mem::take(&mut self.input);
            let is_all = came.is_empty();
            input.unsplit(came);
            // A connection that waits keeps no room.
            self.input = if input.is_empty() { BytesMut::new() } else { input };
            self.request = request;
            done?;
            if is_all {
                return self.flush().await;
            }
        }
    }

    async fn requests(&mut self, input: &mut BytesMut, request: &mut Request) -> Result<(), End> {
        loop {
            let bounds = self.bounds();
            match request.read(input, &bounds) {
                Ok(Progress::Incomplete) => return Ok(()),
                Ok(Progress::Nothing(length)) => {
                    input.advance(length);
                    request.clear();
                }
                Ok(Progress::Line(length)) => {
                    let line = input.split_to(length);
                    if let Err(malformed) = self.line(&line, &bounds).await? {
                        return self.malformed(malformed).await;
                    }
                }
                Ok(Progress::Complete(length)) => {
                    self.one(request, input.get(..length).unwrap_or_default()).await?;
                    input.advance(length);
                    request.clear();
                }
                Err(malformed) => return self.malformed(malformed).await,
            }
            if self.batch.is_full() {
                self.flush().await?;
            }
            if self.output.len() >= LARGE {
                self.write_out().await?;
                // That may have taken long.
                if self.batch.is_empty() && self.own.is_none() {
                    self.right = None;
                }
            }
        }
    }

    async fn line(&mut self, line: &[u8], bounds: &Bounds) -> Result<Result<(), Malformed>, End> {
        let words = match Request::of_line(line) {
            Ok(words) => words,
            Err(malformed) => return Ok(Err(malformed)),
        };
        let mut request = Request::default();
        match request.read(&words, bounds) {
            Ok(_) => self.one(&request, &words).await.map(Ok),
            Err(malformed) => Ok(Err(malformed)),
        }
    }

    fn bounds(&self) -> Bounds {
        if !self.client.is_logged_in() {
            return STRANGERS;
        }
        let request = self.plane.config.max_request;
        Bounds { request, argument: request, ..Bounds::default() }
    }

    /// As Redis does, it is told why, and the connection ends.
    async fn malformed(&mut self, malformed: Malformed) -> Result<(), End> {
        self.flush().await?;
        batch::error(&format_args!("ERR Protocol error: {malformed}"), &mut self.output);
        Err(End::Malformed)
    }

    async fn one(&mut self, request: &Request, buffer: &[u8]) -> Result<(), End> {
        match plan(request, buffer, &mut self.plan) {
            Ok(Asked::Emulate(emulation)) => Box::pin(self.emulate(emulation, request, buffer)).await,
            Ok(Asked::Forward { access, session, replies }) => {
                self.forward((request, buffer), access, session, replies).await
            }
            Err(_) if !self.client.is_logged_in() => {
                self.batch.answer(|out| self.client.refuse(out));
                Ok(())
            }
            Err(refusal) => self.refuse(&refusal).await,
        }
    }
}
