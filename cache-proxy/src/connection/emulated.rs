//! Commands that the proxy answers by itself.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use oxwhisk_cache_commands::reply::texts;
use oxwhisk_cache_commands::{Command, Emulation, Request};
use oxwhisk_cache_session::{Sent, Step, Writer};
use oxwhisk_cache_upstream::UpstreamError;
use oxwhisk_core::cache::CacheTier;

use super::admit::NotAdmitted;
use super::forward::NotDone;
use super::{Connection, End, Login, Stream, batch};
use crate::generations;
use crate::info::{Facts, info};

/// Keys that the server looks at at once.
const AT_ONCE: u32 = 10_000;

impl<S: Stream> Connection<S> {
    pub(super) async fn emulate(
        &mut self,
        emulation: Emulation,
        request: &Request,
        buffer: &[u8],
    ) -> Result<(), End> {
        let command = self.plan.command();
        let words: Vec<&[u8]> = request.arguments(buffer).collect();
        // A sub-command's name is a word, too.
        let is_sub = words.first().is_some_and(|first| !first.eq_ignore_ascii_case(command.name.as_bytes()));
        let arguments = words.get(1 + usize::from(is_sub)..).unwrap_or_default();
        if self.own.is_some() && self.is_in_transaction().await? {
            return self.emulate_in_transaction(emulation, request, buffer).await;
        }
        if let Some(why) = self.undoes(emulation) {
            return self.refuse(&format!("NOPERM {} is not available while {why}", command.name)).await;
        }
        if self.only_listens() {
            return self.emulate_while_listening(emulation, command, arguments).await;
        }
        let is_local = matches!(emulation, Emulation::Ping | Emulation::Echo | Emulation::Client);
        if !is_local {
            // What was asked before is answered as who it was asked by.
            self.flush().await?;
        }
        let step = self.batch.answer(|out| self.client.emulate(emulation, command, arguments, out));
        self.step(emulation, step).await
    }

    /// What has been begun on a connection of the client's own and this would end in silence.
    fn undoes(&mut self, emulation: Emulation) -> Option<&'static str> {
        if self.own.as_ref().is_some_and(|own| !own.entry.is_alive(Instant::now())) {
            self.own = None;
        }
        let ends_watch =
            matches!(emulation, Emulation::Auth | Emulation::Flush | Emulation::Hello | Emulation::Select);
        if self.own.is_some() && ends_watch {
            return Some("keys are watched");
        }
        let listens = self.subscriptions.is_some() && !self.only_listens();
        (listens && emulation == Emulation::Hello).then_some("there are subscriptions")
    }

    async fn step(&mut self, emulation: Emulation, step: Step) -> Result<(), End> {
        match step {
            Step::Answered if emulation == Emulation::Reset => self.reset(),
            Step::Answered => {}
            Step::Close => {
                self.flush().await?;
                return Err(End::Quit);
            }
            Step::LogIn { token, by_default_user } => self.log_in(&token, by_default_user),
            Step::Select(database) => self.select(database),
            Step::Count => {
                let counted = self.count().await;
                self.write(counted, |writer, keys| writer.number(i64::try_from(keys).unwrap_or(i64::MAX)));
            }
            Step::Flush => {
                let flushed = self.begin_anew().await;
                self.write(flushed, |writer, ()| writer.status("OK"));
            }
            Step::Info(sections) => {
                let facts = self.facts().await;
                self.write(facts, |writer, facts| writer.verbatim(&info(&sections, &facts)));
            }
        }
        Ok(())
    }

    fn write<T>(&mut self, done: Result<T, NotDone>, write: impl FnOnce(&mut Writer<'_>, T)) {
        let protocol = self.client.protocol();
        match done {
            Ok(what) => write(&mut Writer { protocol, out: &mut self.output }, what),
            Err(not) => batch::error(&not, &mut self.output),
        }
    }

    async fn is_in_transaction(&mut self) -> Result<bool, End> {
        self.settle().await?;
        Ok(self.own.as_mut().is_some_and(|own| own.transaction().is_open()))
    }

    /// What the server can queue is queued; the rest is about what a transaction is not.
    async fn emulate_in_transaction(
        &mut self,
        emulation: Emulation,
        request: &Request,
        buffer: &[u8],
    ) -> Result<(), End> {
        match emulation {
            Emulation::Ping | Emulation::Echo => {
                let (plan, seconds) = (&self.plan, self.plane.key_expiry);
                if let Some(own) = &mut self.own {
                    let sent = Sent::Command(oxwhisk_cache_commands::Replies::Plain);
                    own.send((request, buffer), plan, sent, seconds);
                }
                Ok(())
            }
            Emulation::Quit => {
                self.output.extend_from_slice(b"+OK\r\n");
                Err(End::Quit)
            }
            Emulation::Reset => {
                let command = self.plan.command();
                self.client.emulate(Emulation::Reset, command, &[], &mut self.output);
                self.reset();
                Ok(())
            }
            _ => {
                let name = self.plan.command().name;
                self.refuse(&format!("NOPERM {name} is not available in a transaction of a cache")).await
            }
        }
    }

    async fn emulate_while_listening(
        &mut self,
        emulation: Emulation,
        command: &Command,
        arguments: &[&[u8]],
    ) -> Result<(), End> {
        match emulation {
            Emulation::Ping => {
                let text = arguments.first().copied().unwrap_or_default();
                let mut writer = Writer { protocol: self.client.protocol(), out: &mut self.output };
                writer.array(2);
                writer.bulk(b"pong");
                writer.bulk(text);
                Ok(())
            }
            Emulation::Quit | Emulation::Reset => {
                let step = self.client.emulate(emulation, command, arguments, &mut self.output);
                self.step(emulation, step).await
            }
            _ => self.refuse(&super::forward::listening(command.name)).await,
        }
    }

    /// As a connection begins.
    fn reset(&mut self) {
        (self.own, self.subscriptions, self.login, self.selected, self.right) =
            (None, None, None, None, None);
        self.place.logged_in(None);
        self.forget_who_it_is();
    }

    fn log_in(&mut self, token: &[u8], by_default_user: bool) {
        let now = Instant::now();
        let control = &self.plane.control;
        let hold = if by_default_user { control.authenticate(token, self.peer, now) } else { None };
        let current = hold.as_ref().and_then(|hold| hold.current(now));
        let (Some(hold), Some(entry)) = (hold, current) else {
            self.plane.count_refused_login();
            self.client.logged_in(false, &mut self.output);
            return;
        };
        // The one before is given up first: showing the same token again takes no second connection.
        (self.own, self.login, self.right) = (None, None, None);
        if self.subscriptions.as_ref().is_some_and(|subscribed| !subscribed.are_of(&entry.grant().scope)) {
            self.subscriptions = None;
        }
        match entry.grant().account.connect() {
            Ok(connected) => {
                let over = Box::pin(hold.over().clone().cancelled_owned());
                self.place.logged_in(Some(&hold));
                self.login = Some(Login { hold, over, _connected: connected });
                (self.stranger, self.login_timer) = (None, None);
                self.client.logged_in(true, &mut self.output);
            }
            Err(over) => {
                self.place.logged_in(None);
                self.subscriptions = None;
                self.forget_who_it_is();
                self.client.log_out();
                self.client.not_logged_in(&over.to_string(), &mut self.output);
            }
        }
    }

    fn select(&mut self, database: u32) {
        let tier = match database {
            0 => Some(CacheTier::Local),
            1 => Some(CacheTier::Global),
            _ => None,
        };
        let tier = tier.filter(|tier| self.plane.upstreams.tier(*tier).is_some());
        if tier.is_some() {
            self.selected = tier;
            self.right = None;
        }
        self.client.selected(tier.is_some(), &mut self.output);
    }

    /// Looks at everybody's keys, since the server knows no scopes.
    async fn count(&mut self) -> Result<usize, NotDone> {
        let prefixes = self.prefixes().await?;
        let tier = self.right()?.tier;
        let server = self.plane.upstreams.tier(tier).ok_or(NotAdmitted::NoTier)?;
        let pattern = [prefixes.keys.as_bytes(), b"*"].concat();
        // The server may tell of one twice. Of names, which are as long as one likes, a hash is kept.
        let (hashes, mut found) = (RandomState::new(), HashSet::new());
        let (mut cursor, mut at_once) = (b"0".to_vec(), AT_ONCE);
        loop {
            let count = at_once.to_string();
            let request =
                generations::requests(&[&[b"SCAN", &cursor, b"MATCH", &pattern, b"COUNT", count.as_bytes()]]);
            let replies = match server.ask(request, NonZeroUsize::MIN).await {
                Err(UpstreamError::TooLarge) if at_once > 1 => {
                    at_once = (at_once / 10).max(1);
                    continue;
                }
                replies => replies?,
            };
            let texts = texts(&replies.bytes).map_err(|_| UpstreamError::Broken)?;
            let Some((next, keys)) = texts.split_first() else { return Err(UpstreamError::Broken.into()) };
            found.extend(keys.iter().map(|key| hashes.hash_one(key)));
            if *next == b"0" {
                return Ok(found.len());
            }
            cursor = next.to_vec();
        }
    }

    async fn begin_anew(&mut self) -> Result<(), NotDone> {
        let right = self.right()?;
        if right.entry.grant().rights < oxwhisk_core::cache::CacheRights::Write {
            return Err(NotAdmitted::ReadOnly.into());
        }
        let (scope, tier) = (Arc::clone(&right.entry.grant().scope), right.tier);
        let server = self.plane.upstreams.tier(tier).ok_or(NotAdmitted::NoTier)?;
        generations::flush(&scope, tier, server).await.map_err(NotAdmitted::from)?;
        self.right = None;
        Ok(())
    }

    async fn facts(&mut self) -> Result<Facts, NotDone> {
        let keys = self.count().await? as u64;
        let database = self.client.database();
        let right = self.right()?;
        let account = &right.entry.grant().account;
        let usage = account.usage(right.tier);
        Ok(Facts {
            database,
            keys,
            namespace_bytes: usage.bytes,
            namespace_keys: usage.keys,
            namespace_budget: account.budget().bytes,
            connections: account.connections(),
            commands: account.commands(),
        })
    }
}
