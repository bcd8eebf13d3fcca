"""RESP2, the protocol of Redis, as pure code: commands to bytes, bytes to replies. No sockets here."""

import math
import re

from ow_cache_errors import ReplyProtocolError, from_reply

# Numbers, errors and lengths are lines, none of which is anywhere near as long.
MAX_LINE_BYTES = 64 * 1024
# Replies of Redis nest a few levels deep (`COMMAND`, `XINFO`); more would only be an attack on the reader.
MAX_DEPTH = 32
# The shortest element of an array: `:0\r\n`.
MIN_ELEMENT_BYTES = 4
# What `next` returns when there is no complete reply; None is one.
INCOMPLETE = object()

_INTEGER = re.compile(rb"-?\d{1,20}\Z")


def as_bytes(value):
    """The bytes of a word of a command. Raises TypeError."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return repr(value).encode("ascii")
    kind = value if isinstance(value, float) else type(value).__name__
    raise TypeError("a word of a command must be a str, bytes or a number but is %s" % kind)


def encode(commands):
    """The bytes of `commands`, each a sequence of str, bytes and numbers, to be sent at once. Raises TypeError."""
    parts = []
    for command in commands:
        if isinstance(command, (str, bytes)) or not command:
            raise TypeError("a command is a sequence that begins with its name")
        parts.append(b"*%d\r\n" % len(command))
        for value in command:
            word = as_bytes(value)
            parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


class ReplyReader:
    """Collects the bytes of one connection and yields the replies in them.

    These are bytes for bulk strings, str for simple ones, int, None, lists, and `CacheError`s as values.
    """

    def __init__(self):
        self._buffer = bytearray()
        # How far the buffer was read; what was is let go of when a reply is complete.
        self._at = 0
        # So many bytes must be there before another look is worth its while.
        self._needed = 1
        self._bulk_length = None
        self._stack = []
        self._reply_bytes = 0

    def push(self, data):
        self._buffer += data

    @property
    def is_empty(self):
        return self._at == len(self._buffer)

    def next(self, max_bytes):
        """The next complete reply or `INCOMPLETE`. Raises `ReplyProtocolError`, also where it is over `max_bytes`."""
        while len(self._buffer) - self._at >= self._needed:
            value = self._element(max_bytes)
            if value is INCOMPLETE:
                continue
            value = self._close(value)
            if value is not INCOMPLETE:
                self._reply_bytes = 0
                self._let_go()
                return value
        return INCOMPLETE

    def _element(self, max_bytes):
        if self._bulk_length is not None:
            return self._bulk()
        line = self._line()
        if line is None:
            return INCOMPLETE
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        if kind == b"-":
            return from_reply(rest.decode("utf-8", "replace"))
        if kind == b":":
            return _integer(rest)
        if kind == b"$":
            return self._bulk_head(_integer(rest), max_bytes)
        if kind == b"*":
            return self._array_head(_integer(rest), max_bytes)
        raise ReplyProtocolError("the cache sent what is no reply: %r" % line[:40])

    def _bulk_head(self, length, max_bytes):
        if length == -1:
            return None
        self._check_bound(length, max_bytes)
        self._bulk_length = length
        self._needed = length + 2
        return INCOMPLETE

    def _bulk(self):
        value = bytes(self._take(self._bulk_length + 2)[:-2])
        self._bulk_length = None
        self._needed = 1
        return value

    def _array_head(self, length, max_bytes):
        if length == -1:
            return None
        if length == 0:
            return []
        self._check_bound(length * MIN_ELEMENT_BYTES, max_bytes)
        if len(self._stack) == MAX_DEPTH:
            raise ReplyProtocolError("the cache sent a reply with too many levels")
        self._stack.append(([], length))
        return INCOMPLETE

    def _check_bound(self, length, max_bytes):
        """Before anything of that size is waited for."""
        if length < 0:
            raise ReplyProtocolError("the cache sent %d for a length" % length)
        if self._reply_bytes + length > max_bytes:
            raise ReplyProtocolError("the cache sent a reply larger than %d bytes" % max_bytes)

    def _close(self, value):
        """Puts a value into the lists that are open; what is complete by that, or `INCOMPLETE`."""
        while self._stack:
            items, length = self._stack[-1]
            items.append(value)
            if len(items) < length:
                return INCOMPLETE
            value = items
            self._stack.pop()
        return value

    def _line(self):
        end = self._buffer.find(b"\r\n", self._at)
        present = len(self._buffer) - self._at
        if end - self._at > MAX_LINE_BYTES or (end < 0 and present > MAX_LINE_BYTES):
            raise ReplyProtocolError("the cache sent a line that does not end")
        if end < 0:
            self._needed = present + 1
            return None
        self._needed = 1
        return bytes(self._take(end + 2 - self._at)[:-2])

    def _take(self, length):
        start = self._at
        self._at += length
        self._reply_bytes += length
        return self._buffer[start : self._at]

    def _let_go(self):
        # The rest is moved to the front, so not for each of many small replies.
        if self._at == len(self._buffer) or self._at > MAX_LINE_BYTES:
            del self._buffer[: self._at]
            self._at = 0


def _integer(text):
    if not _INTEGER.match(text):
        raise ReplyProtocolError("the cache sent %r for a number" % text[:40])
    return int(text)


def as_text(reply):
    """A reply with str in place of bytes; bytes that are no UTF-8 become U+FFFD."""
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    return [as_text(item) for item in reply] if isinstance(reply, list) else reply
