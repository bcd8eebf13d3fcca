//! Replies in either version of the protocol.

use bytes::{BufMut as _, BytesMut};

/// Which version a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// Writes replies behind each other.
#[derive(Debug)]
pub struct Writer<'a> {
    pub protocol: Protocol,
    pub out: &'a mut BytesMut,
}

impl Writer<'_> {
    fn line(&mut self, kind: u8, text: &str) {
        self.out.put_u8(kind);
        self.out.put_slice(text.as_bytes());
        self.out.put_slice(b"\r\n");
    }

    pub fn status(&mut self, text: &str) {
        self.line(b'+', text);
    }

    /// With its kind as the first word, and without the end of a line in it.
    pub fn error(&mut self, text: &str) {
        self.line(b'-', text);
    }

    pub fn number(&mut self, number: i64) {
        self.line(b':', &number.to_string());
    }

    pub fn bulk(&mut self, bytes: &[u8]) {
        self.line(b'$', &bytes.len().to_string());
        self.out.put_slice(bytes);
        self.out.put_slice(b"\r\n");
    }

    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.put_slice(b"$-1\r\n"),
            Protocol::Resp3 => self.out.put_slice(b"_\r\n"),
        }
    }

    pub fn array(&mut self, items: usize) {
        self.line(b'*', &items.to_string());
    }

    /// So many keys with their values follow.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(pairs * 2),
            Protocol::Resp3 => self.line(b'%', &pairs.to_string()),
        }
    }

    pub fn set(&mut self, items: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(items),
            Protocol::Resp3 => self.line(b'~', &items.to_string()),
        }
    }

    /// Text for people.
    pub fn verbatim(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.line(b'=', &(text.len() + 4).to_string());
                self.out.put_slice(b"txt:");
                self.out.put_slice(text.as_bytes());
                self.out.put_slice(b"\r\n");
            }
        }
    }
}
