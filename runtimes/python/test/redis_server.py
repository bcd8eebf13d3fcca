"""What the tests of the cache talk to: a real Redis, whose password is the token, and a server that misbehaves."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from harness import DEADLINE, wait_for

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if HOME not in sys.path:
    sys.path.insert(0, HOME)

from ow_cache import Cache

needs_redis = unittest.skipUnless(
    shutil.which("redis-server"), "skipped: there is no redis-server on this machine"
)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Redis:
    """A server that takes `token` for a password; ends with the test."""

    def __init__(self, test, token):
        port = free_port()
        self.url = "redis://127.0.0.1:%d" % port
        folder = tempfile.mkdtemp(prefix="ow-redis-")
        test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--requirepass", token]
        command += ["--save", "", "--dir", folder]
        self._child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        test.addCleanup(self._child.wait, DEADLINE)
        test.addCleanup(self._child.kill)
        # As an operator, past every token: logged in once, a connection stays so.
        self._operator = Cache(self.url, token, timeout=10).client()
        test.addCleanup(self._operator.close)
        wait_for(self._answers, "redis-server")

    def _answers(self):
        try:
            return self.do("PING")
        except Exception:
            return self._child.poll() is not None

    def do(self, *command):
        """Runs a command as the operator."""
        return self._operator.command(*command)

    def issue(self, token):
        """From now on only `token` is taken; connections that have logged in stay so."""
        self.do("CONFIG", "SET", "requirepass", token)

    def connections(self):
        """How many connections there are beside the operator's."""
        return len(self.do("CLIENT", "LIST").strip().split("\n")) - 1

    def drop_connections(self):
        """Breaks every connection but the operator's."""
        self.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def calls(self, command):
        """The number of calls of a command so far."""
        line = re.search(r"cmdstat_%s:calls=(\d+)" % command, self.do("INFO", "commandstats"))
        return int(line.group(1)) if line else 0


class FakeServer:
    """Gives each connection to `serve(socket, number)`, one after another, in a thread of its own."""

    def __init__(self, test, serve):
        self.connections = 0
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.url = "redis://127.0.0.1:%d" % self._address[1]
        thread = threading.Thread(target=self._run)
        thread.start()
        test.addCleanup(thread.join, DEADLINE)
        test.addCleanup(self._stop)

    def _run(self):
        with self._listener:
            while self._serve is not None:
                sock, _ = self._listener.accept()
                with sock:
                    self._welcome(sock)

    def _welcome(self, sock):
        serve = self._serve
        if serve is None:
            return
        self.connections += 1
        sock.settimeout(DEADLINE)
        try:
            serve(sock, self.connections - 1)
        except OSError:
            pass  # the client left

    def _stop(self):
        self._serve = None
        try:
            socket.create_connection(self._address).close()
        except OSError:
            pass  # it has ended already


def saying(answer):
    """A service that says `+OK` to AUTH and `answer` to each GET."""

    def serve(sock, _):
        while True:
            data = sock.recv(65536)
            if not data:
                return
            sock.sendall(b"+OK\r\n" * data.count(b"AUTH") + answer * data.count(b"GET"))

    return serve
