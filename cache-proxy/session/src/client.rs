//! A client's connection.

use std::fmt::Write as _;

use bytes::BytesMut;
use oxwhisk_cache_commands::{Command, Emulation};

use crate::hello::{self, Hello, is_integer};
use crate::reply::{Protocol, Writer};

/// The version of Redis whose replies these are.
const VERSION: &str = "7.0.15";
const NO_AUTH: &str = "NOAUTH Authentication required.";
const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// What is to be done after a command about the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is answered.
    Answered,
    /// It is answered, and the connection ends.
    Close,
    /// A token was shown: [`Client::logged_in`] with whether it is worth something. It was shown by a name that is no user's:
    /// it is worth nothing.
    LogIn { token: Vec<u8>, by_default_user: bool },
    /// Another database, which is another tier: [`Client::selected`] with whether there is one.
    Select(u32),
    /// How many keys the scope has: a number is the answer.
    Count,
    /// All of the scope's keys go.
    Flush,
    /// Of the scope, in these sections, all if there are none.
    Info(Vec<Vec<u8>>),
}

/// What is left of a `HELLO` or `AUTH` until it is known what its token is worth.
#[derive(Clone, Debug, Default)]
struct Pending {
    hello: Option<(Protocol, Option<Vec<u8>>)>,
    select: Option<u32>,
}

/// One client.
#[derive(Clone, Debug)]
pub struct Client {
    id: i64,
    address: String,
    protocol: Protocol,
    name: Option<Vec<u8>>,
    lib_name: Option<Vec<u8>>,
    lib_version: Option<Vec<u8>>,
    database: u32,
    is_logged_in: bool,
    pending: Pending,
}

impl Client {
    /// `address` is shown to the client itself.
    #[must_use]
    pub fn new(id: i64, address: String) -> Self {
        Self {
            id,
            address,
            protocol: Protocol::default(),
            name: None,
            lib_name: None,
            lib_version: None,
            database: 0,
            is_logged_in: false,
            pending: Pending::default(),
        }
    }

    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    #[must_use]
    pub const fn database(&self) -> u32 {
        self.database
    }

    #[must_use]
    pub const fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    /// Refuses what needs a login; whatever else a client without one may do, it learns nothing by it.
    pub fn refuse(&self, out: &mut BytesMut) {
        self.writer(out).error(NO_AUTH);
    }

    /// Does a command that is about the connection. `arguments` are those behind the command's name, and behind its
    /// sub-command's.
    pub fn emulate(
        &mut self,
        emulation: Emulation,
        command: &Command,
        arguments: &[&[u8]],
        out: &mut BytesMut,
    ) -> Step {
        let needs_login =
            !matches!(emulation, Emulation::Auth | Emulation::Hello | Emulation::Quit | Emulation::Reset);
        if needs_login && !self.is_logged_in {
            self.refuse(out);
            return Step::Answered;
        }
        match emulation {
            Emulation::Auth => self.auth(arguments, out),
            Emulation::Hello => self.hello(arguments, out),
            Emulation::Select => self.select(arguments, out),
            Emulation::Client => self.about_itself(command.name, arguments, out),
            Emulation::Quit => {
                self.writer(out).status("OK");
                Step::Close
            }
            Emulation::Reset => {
                *self = Self::new(self.id, std::mem::take(&mut self.address));
                self.writer(out).status("RESET");
                Step::Answered
            }
            Emulation::Ping => {
                match arguments {
                    [] => self.writer(out).status("PONG"),
                    [text] => self.writer(out).bulk(text),
                    _ => self.writer(out).error("ERR wrong number of arguments for 'ping' command"),
                }
                Step::Answered
            }
            Emulation::Echo => {
                self.writer(out).bulk(arguments.first().copied().unwrap_or_default());
                Step::Answered
            }
            Emulation::ClusterOff => {
                self.writer(out).error("ERR This instance has cluster support disabled");
                Step::Answered
            }
            // Nothing of the server's is shown.
            Emulation::Config => {
                self.writer(out).map(0);
                Step::Answered
            }
            Emulation::DbSize => Step::Count,
            Emulation::Flush => self.flush(arguments, out),
            Emulation::Info => Step::Info(arguments.iter().map(|section| section.to_vec()).collect()),
        }
    }

    /// What the token is worth that was shown.
    pub fn logged_in(&mut self, is_worth_something: bool, out: &mut BytesMut) {
        let pending = std::mem::take(&mut self.pending);
        if !is_worth_something {
            self.writer(out).error("WRONGPASS invalid username-password pair or user is disabled.");
            return;
        }
        self.is_logged_in = true;
        match pending.hello {
            None => self.writer(out).status("OK"),
            Some((protocol, name)) => self.greet(protocol, name, out),
        }
    }

    /// The token is worth something, but not that.
    pub fn not_logged_in(&mut self, why: &str, out: &mut BytesMut) {
        self.pending = Pending::default();
        self.writer(out).error(why);
    }

    /// Its token is worth nothing any more, and will not be again.
    pub const fn log_out(&mut self) {
        self.is_logged_in = false;
    }

    /// Whether there is a tier behind the database that was asked for.
    pub fn selected(&mut self, is_there: bool, out: &mut BytesMut) {
        match self.pending.select.take() {
            Some(database) if is_there => {
                self.database = database;
                self.writer(out).status("OK");
            }
            _ => self.writer(out).error("ERR DB index is out of range"),
        }
    }

    const fn writer<'a>(&self, out: &'a mut BytesMut) -> Writer<'a> {
        Writer { protocol: self.protocol, out }
    }

    fn auth(&mut self, arguments: &[&[u8]], out: &mut BytesMut) -> Step {
        let (user, token): (&[u8], &[u8]) = match arguments {
            [token] => (b"default", token),
            [user, token] => (user, token),
            _ => {
                self.writer(out).error("ERR syntax error");
                return Step::Answered;
            }
        };
        self.pending.hello = None;
        Step::LogIn { token: token.to_vec(), by_default_user: is_default(user) }
    }

    fn hello(&mut self, arguments: &[&[u8]], out: &mut BytesMut) -> Step {
        let Hello { protocol, login, name } = match hello::read(arguments) {
            Ok(hello) => hello,
            Err(text) => {
                self.writer(out).error(&text);
                return Step::Answered;
            }
        };
        if name.is_some_and(|name| !is_name(name)) {
            self.writer(out).error(BAD_NAME);
            return Step::Answered;
        }
        let protocol = protocol.unwrap_or(self.protocol);
        let name = name.map(<[u8]>::to_vec);
        if let Some((user, token)) = login {
            self.pending.hello = Some((protocol, name));
            return Step::LogIn { token: token.to_vec(), by_default_user: is_default(user) };
        }
        if !self.is_logged_in {
            self.writer(out).error(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
                 <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
                 the same time",
            );
            return Step::Answered;
        }
        self.greet(protocol, name, out);
        Step::Answered
    }

    fn greet(&mut self, protocol: Protocol, name: Option<Vec<u8>>, out: &mut BytesMut) {
        self.protocol = protocol;
        if let Some(name) = name {
            self.name = Some(name).filter(|name| !name.is_empty());
        }
        let id = self.id;
        let mut writer = self.writer(out);
        writer.map(7);
        for (key, value) in [("server", "redis"), ("version", VERSION)] {
            writer.bulk(key.as_bytes());
            writer.bulk(value.as_bytes());
        }
        writer.bulk(b"proto");
        writer.number(if protocol == Protocol::Resp3 { 3 } else { 2 });
        writer.bulk(b"id");
        writer.number(id);
        for (key, value) in [("mode", "standalone"), ("role", "master")] {
            writer.bulk(key.as_bytes());
            writer.bulk(value.as_bytes());
        }
        writer.bulk(b"modules");
        writer.array(0);
    }

    fn select(&mut self, arguments: &[&[u8]], out: &mut BytesMut) -> Step {
        let index = arguments.first().copied().unwrap_or_default();
        if !is_integer(index) {
            self.writer(out).error("ERR value is not an integer or out of range");
            return Step::Answered;
        }
        let database = std::str::from_utf8(index).ok().and_then(|text| text.parse().ok());
        let Some(database) = database else {
            self.writer(out).error("ERR DB index is out of range");
            return Step::Answered;
        };
        self.pending.select = Some(database);
        Step::Select(database)
    }

    fn flush(&self, arguments: &[&[u8]], out: &mut BytesMut) -> Step {
        match arguments {
            [] => Step::Flush,
            [how] if how.eq_ignore_ascii_case(b"ASYNC") || how.eq_ignore_ascii_case(b"SYNC") => Step::Flush,
            _ => {
                self.writer(out).error("ERR syntax error");
                Step::Answered
            }
        }
    }

    fn about_itself(&mut self, sub_command: &str, arguments: &[&[u8]], out: &mut BytesMut) -> Step {
        let argument = arguments.first().copied().unwrap_or_default();
        match sub_command {
            "ID" => self.writer(out).number(self.id),
            "GETNAME" => match &self.name {
                Some(name) => self.writer(out).bulk(name),
                None => self.writer(out).null(),
            },
            "SETNAME" if !is_name(argument) => self.writer(out).error(BAD_NAME),
            "SETNAME" => {
                self.name = Some(argument.to_vec()).filter(|name| !name.is_empty());
                self.writer(out).status("OK");
            }
            "SETINFO" => self.set_info(argument, arguments.get(1).copied().unwrap_or_default(), out),
            // There is nobody else that it could see.
            "INFO" | "LIST" => self.writer(out).verbatim(&self.described()),
            "GETREDIR" => self.writer(out).number(-1),
            "TRACKINGINFO" => self.tracking(out),
            "REPLY" if argument.eq_ignore_ascii_case(b"ON") => self.writer(out).status("OK"),
            "REPLY" => self.writer(out).error("NOPERM a cache always replies"),
            _ => {
                self.writer(out).array(1);
                self.writer(out)
                    .status("CLIENT ID, INFO, LIST, GETNAME, SETNAME and SETINFO are about this connection.");
            }
        }
        Step::Answered
    }

    fn set_info(&mut self, what: &[u8], value: &[u8], out: &mut BytesMut) {
        let place = if what.eq_ignore_ascii_case(b"LIB-NAME") {
            &mut self.lib_name
        } else if what.eq_ignore_ascii_case(b"LIB-VER") {
            &mut self.lib_version
        } else {
            return self.writer(out).error("ERR Unrecognized option");
        };
        if !is_name(value) {
            return self
                .writer(out)
                .error("ERR lib-name and lib-ver cannot contain spaces, newlines or special characters.");
        }
        *place = Some(value.to_vec());
        self.writer(out).status("OK");
    }

    fn tracking(&self, out: &mut BytesMut) {
        let mut writer = self.writer(out);
        writer.map(3);
        writer.bulk(b"flags");
        writer.set(1);
        writer.bulk(b"off");
        writer.bulk(b"redirect");
        writer.number(-1);
        writer.bulk(b"prefixes");
        writer.array(0);
    }

    fn described(&self) -> String {
        let text = |bytes: &Option<Vec<u8>>| {
            bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
        };
        let resp = if self.protocol == Protocol::Resp3 { 3 } else { 2 };
        let mut described =
            format!("id={} addr={} name={} db={}", self.id, self.address, text(&self.name), self.database);
        let (library, version) = (text(&self.lib_name), text(&self.lib_version));
        // Writing to a string cannot fail.
        let _ = writeln!(described, " user=default lib-name={library} lib-ver={version} resp={resp}");
        described
    }
}

/// A URL without a user, `redis://:token@host`, is one with an empty name for some clients, `redis-cli` among them.
fn is_default(user: &[u8]) -> bool {
    user.is_empty() || user == b"default"
}

/// What may stand in a line of `CLIENT LIST`.
fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}
