# A client of a few lines: what people's own libraries do, and what attackers would write.
import os
import socket


class Resp:
    """Replies are text, numbers, None and lists; errors are text that begins with '-'."""

    def __init__(self, token=None, url=None, patience=20):
        host, port = (url or os.environ["__OW_CACHE_URL"])[len("redis://"):].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), patience)
        self.file = self.socket.makefile("rb")
        if token is not None:
            self.login = self.call("AUTH", token)

    @staticmethod
    def request(*words):
        words = [word if isinstance(word, bytes) else str(word).encode("latin-1") for word in words]
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    def send(self, data):
        self.socket.sendall(data)

    def call(self, *words):
        self.send(self.request(*words))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            return "-CLOSED"
        kind, rest = line[:1], line[1:-2].decode("latin-1")
        if kind == b"-":
            return "-" + rest
        if kind == b":":
            return int(rest)
        if kind in (b"$", b"="):
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode("latin-1")
        if kind in (b"*", b"~", b">"):
            return None if rest == "-1" else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return [self.read() for _ in range(2 * int(rest))]
        return None if kind == b"_" else rest

    def all(self, quiet=0.3):
        """What comes until nothing does."""
        self.socket.settimeout(quiet)
        got = b""
        try:
            while chunk := self.socket.recv(65536):
                got += chunk
        except OSError:
            pass
        return got.decode("latin-1")
