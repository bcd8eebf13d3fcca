"""Entry point of the Python action runtime: listens and serves /init and /run.

User code runs in the main thread, which also serves the connection it was asked on, so a warm call crosses no
thread. A second thread, the doorkeeper, holds the listener and every other connection: it hands a request over
while the action is idle and refuses it while the action runs.

Nothing here starts a thread before `listen_and_serve()`, so a zygote (`ow_zygote`) may fork up to there.
"""

import os
import select
import signal
import socket
import sys
import threading
import time
import warnings
from collections import deque

_HOME = os.path.dirname(os.path.abspath(__file__))
if sys.path[0] != _HOME:
    sys.path.insert(0, _HOME)

import ow_http
import ow_imports
from ow_action import ActionService
from ow_surroundings import ActionEnvironment, ActionLogs

DEFAULT_LISTEN = "tcp:0.0.0.0:8080"
MAX_BODY_BYTES = 64 * 1024 * 1024
BACKLOG = 64
# More than any invoker opens; keeps a runaway client from exhausting descriptors.
MAX_CONNECTIONS = 64
RECEIVE_BYTES = 256 * 1024
# How long the doorkeeper waits for a peer to take its few bytes, in seconds.
REFUSAL_TIMEOUT = 5.0
# Between attempts to accept while the process is out of descriptors, in seconds.
ACCEPT_PAUSE = 0.05


class Connection:
    """One accepted connection and the requests in its bytes."""

    def __init__(self, sock):
        self.sock = sock
        self.fd = sock.fileno()
        self.reader = ow_http.RequestReader(MAX_BODY_BYTES)

    def receive(self):
        """Takes what is there; False when the peer is gone."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except OSError:
            return False
        if not data:
            return False
        self.reader.push(data)
        return True

    def next(self):
        """The next complete request or None. A `ProtocolError` is answered here and raised on."""
        try:
            request = self.reader.next()
        except ow_http.ProtocolError as error:
            self.send(ow_http.encode_error(error.status, str(error), keep_alive=False))
            raise
        if request is None and self.reader.take_continue():
            self.send(ow_http.CONTINUE)
        return request

    def send(self, data):
        """Sends all of `data`; False when the peer is gone."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def close(self):
        self.sock.close()


class Waker:
    """Interrupts another thread's `poll` and passes it items."""

    def __init__(self):
        self.fd, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._items = deque()

    def put(self, item):
        self._items.append(item)
        try:
            os.write(self._write, b"!")
        except BlockingIOError:
            pass  # a full pipe wakes as well

    def take(self):
        os.read(self.fd, 4096)
        while self._items:
            yield self._items.popleft()


class Doorkeeper(threading.Thread):
    """Owns the listener and all connections but the one the main thread serves."""

    def __init__(self, listener, service, main):
        super().__init__(name="ow-doorkeeper", daemon=True)
        self._listener = listener
        self._service = service
        self._main = main
        self._returned = Waker()
        self._connections = {}
        self._poller = select.poll()

    def give_back(self, connection):
        """Called by the main thread when it turned to another connection."""
        self._returned.put(connection)

    def run(self):
        try:
            self._watch()
        except BaseException:
            # Without its doorkeeper the runtime would be deaf: better to be seen dead.
            sys.excepthook(*sys.exc_info())
            os._exit(1)

    def _watch(self):
        self._poller.register(self._listener.fileno(), select.POLLIN)
        self._poller.register(self._returned.fd, select.POLLIN)
        while True:
            for fd, _ in self._poller.poll():
                if fd == self._returned.fd:
                    for connection in self._returned.take():
                        self._keep(connection)
                elif fd in self._connections:
                    self._read(self._connections[fd])
                elif fd == self._listener.fileno():
                    self._accept()

    def _accept(self):
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it left while it waited
        except OSError:
            # Out of descriptors, by the action's doing: `poll` would return at once, again and again.
            time.sleep(ACCEPT_PAUSE)
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            sock.close()
            return
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._keep(Connection(sock))

    def _keep(self, connection):
        self._connections[connection.fd] = connection
        self._poller.register(connection.fd, select.POLLIN)
        self._serve(connection)  # a returned connection may hold a request already

    def _read(self, connection):
        if connection.receive():
            self._serve(connection)
        else:
            self._let_go(connection)
            connection.close()

    def _let_go(self, connection):
        """Watches the connection no longer; whoever takes it must do so first."""
        self._poller.unregister(connection.fd)
        del self._connections[connection.fd]

    def _serve(self, connection):
        try:
            keep = self._serve_requests(connection)
        except ow_http.ProtocolError:
            keep = False
        if not keep:
            self._let_go(connection)
            connection.close()

    def _serve_requests(self, connection):
        """Serves what the connection has buffered; False when it is to be closed."""
        request = connection.next()
        while request is not None:
            if self._service.claim():
                self._let_go(connection)
                self._main.put((connection, request))
                return True
            if not self._refuse(connection, request):
                return False
            request = connection.next()
        return True

    def _refuse(self, connection, request):
        connection.sock.settimeout(REFUSAL_TIMEOUT)
        sent = connection.send(ow_http.encode(*self._service.refuse(request), request.keep_alive))
        connection.sock.settimeout(None)
        return sent and request.keep_alive


class MainLoop:
    """Runs requests in the main thread, one at a time."""

    def __init__(self, listener, service):
        self._service = service
        self._requests = Waker()
        self._doorkeeper = Doorkeeper(listener, service, self._requests)
        self._connection = None
        self._poller = select.poll()

    def run(self):
        self._poller.register(self._requests.fd, select.POLLIN)
        self._doorkeeper.start()
        while True:
            for fd, _ in self._poller.poll():
                if fd == self._requests.fd:
                    for connection, request in self._requests.take():
                        self._turn_to(connection)
                        self._answer(request)
                elif self._connection is not None and fd == self._connection.fd:
                    self._read()

    def _turn_to(self, connection):
        if self._connection is not None:
            self._poller.unregister(self._connection.fd)
            self._doorkeeper.give_back(self._connection)
        self._connection = connection
        self._poller.register(connection.fd, select.POLLIN)

    def _read(self):
        if self._connection.receive():
            self._serve_pending()
        else:
            self._drop()

    def _serve_pending(self):
        """Serves what the connection has buffered. The doorkeeper may claim the action in between."""
        while self._connection is not None:
            try:
                request = self._connection.next()
            except ow_http.ProtocolError:
                self._drop()
                return
            if request is None:
                return
            if self._service.claim():
                self._send(self._service.handle(request), request)
            else:
                self._send(self._service.refuse(request), request)

    def _answer(self, request):
        self._send(self._service.handle(request), request)
        self._serve_pending()

    def _send(self, answer, request):
        sent = self._connection.send(ow_http.encode(*answer, request.keep_alive))
        if not sent or not request.keep_alive:
            self._drop()

    def _drop(self):
        self._poller.unregister(self._connection.fd)
        self._connection.close()
        self._connection = None


def open_listener(address):
    """A listening socket for `unix:/path` or `tcp:HOST:PORT`. Raises ValueError or OSError."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(rest + "~")
        listener.listen(BACKLOG)
        # Only now under its name: whoever sees the socket can connect to it.
        os.rename(rest + "~", rest)
    else:
        host, colon, port = rest.rpartition(":")
        if kind != "tcp" or not colon or not host or not port.isdigit() or int(port) > 65535:
            raise ValueError("OW_LISTEN is '%s' but must be unix:/path or tcp:HOST:PORT" % address)
        host = host.strip("[]")
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    listener.setblocking(False)  # a peer may leave between `poll` and `accept`
    return listener


def listen_and_serve(listener):
    """Serves one action on `listener`, a listening socket, until the process ends."""
    # The folder of the runtime is no place for user code to import from, but for what is meant for it.
    sys.path.remove(_HOME)
    ow_imports.install()
    if os.getpid() == 1:
        # The kernel gives process 1 of a container no default action for SIGTERM.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if sys.version_info >= (3, 12):
        # The doorkeeper holds no lock that a fork of the user's could inherit.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    service = ActionService(ActionEnvironment(), ActionLogs.install())
    MainLoop(listener, service).run()


def main():
    library = os.environ.pop("OW_ZYGOTE", None)
    if library is not None:
        import ow_zygote

        if not ow_zygote.fork_on_request(library):
            return
    address = os.environ.pop("OW_LISTEN", None) or DEFAULT_LISTEN
    try:
        listener = open_listener(address)
    except ValueError as error:
        sys.exit("python runtime: %s" % error)
    except OSError as error:
        sys.exit("python runtime: cannot listen on %s: %s" % (address, error))
    listen_and_serve(listener)


if __name__ == "__main__":
    main()
