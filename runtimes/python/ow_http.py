"""HTTP/1.1 framing, as pure code: bytes in, requests out; answers in, bytes out. No sockets here."""

import json
import re

MAX_HEAD_BYTES = 64 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Payload Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
}
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.([01])(?:\r\n|$)")
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([^\r]*)", re.IGNORECASE)
_TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)


class ProtocolError(Exception):
    """Bytes that are no request we take; `status` is the HTTP status to answer before closing."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Request:
    """A request whose body is complete."""

    __slots__ = ("method", "path", "body", "keep_alive", "body_length", "expect_continue")


def _parse_head(head, max_body_bytes):
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise ProtocolError(400, "malformed request line")
    if _TRANSFER_ENCODING.search(head):
        raise ProtocolError(411, "the request must carry a content-length")
    request = Request()
    request.method = line.group(1).decode("latin-1")
    request.path = line.group(2).decode("latin-1")
    request.body_length = _body_length(head, max_body_bytes)
    request.keep_alive = line.group(3) == b"1" and not _CLOSE.search(head)
    request.expect_continue = _EXPECT.search(head) is not None
    return request


def _body_length(head, max_body_bytes):
    header = _CONTENT_LENGTH.search(head)
    if header is None:
        return 0
    digits = header.group(1).strip()
    if not digits.isdigit():
        raise ProtocolError(400, "malformed content-length")
    length = int(digits)
    if length > max_body_bytes:
        raise ProtocolError(413, "request body larger than allowed: %d > %d bytes" % (length, max_body_bytes))
    return length


class RequestReader:
    """Collects the bytes of one connection and yields the requests in them.

    `max_body_bytes` is the largest body accepted, in bytes.
    """

    def __init__(self, max_body_bytes):
        self._max_body_bytes = max_body_bytes
        self._buffer = bytearray()
        self._head = None

    def push(self, data):
        self._buffer += data

    def next(self):
        """The next complete `Request`, or None. Raises `ProtocolError`."""
        request = self._head
        if request is None:
            if not self._buffer:
                return None
            request = self._head = self._read_head()
            if request is None:
                return None
        length = request.body_length
        if len(self._buffer) < length:
            return None
        request.body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._head = None
        return request

    def take_continue(self):
        """True once for a peer that waits for `100 Continue` before it sends its body."""
        head = self._head
        if head is None or not head.expect_continue or self._buffer:
            return False
        head.expect_continue = False
        return True

    def _read_head(self):
        end = self._buffer.find(b"\r\n\r\n")
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            raise ProtocolError(431, "request head larger than allowed: %d bytes" % MAX_HEAD_BYTES)
        if end < 0:
            return None
        head = _parse_head(bytes(self._buffer[:end]), self._max_body_bytes)
        del self._buffer[: end + 4]
        return head


def encode(status, body, keep_alive):
    """Head and body (UTF-8 JSON bytes) in one piece, so that they leave in one write."""
    connection = "" if keep_alive else "Connection: close\r\n"
    head = "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n" % (
        status,
        _REASONS[status],
        len(body),
        connection,
    )
    return head.encode("latin-1") + body


def encode_error(status, message, keep_alive):
    """An answer whose body is `{"error": message}`."""
    return encode(status, json.dumps({"error": message}).encode("utf-8"), keep_alive)
