"""The zygote: a warm interpreter that forks a runtime for each action.

It is started with `OW_ZYGOTE=fd:N`, N being one end of a connected SOCK_SEQPACKET unix socket. Packets are JSON.

Request, with two descriptors attached (SCM_RIGHTS): the child's stdout and stderr.
    {"id": <anything>, "listen": "unix:/path", "env": {<name>: <text>}, "cwd": "/path"}
`env` replaces the whole environment of the child; without it, and without `cwd`, the zygote's hold.

Answers, in the order in which things happen:
    {"id": ..., "pid": 7}                 from the child: it accepts connections
    {"id": ..., "error": "..."}           no child came of the request
    {"exited": 7, "code": 0}              a child ended; or {"exited": 7, "signal": 9}

When the other end closes the socket, the zygote kills its children and ends.

All children of one zygote share its address layout and its hash seed; `random` is reseeded in each.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

MAX_PACKET_BYTES = 64 * 1024
_STDIO = 2
# What actions import most; each import here is shared by all children instead of paid for by each.
_PRELOADED = (
    "base64 collections contextlib datetime functools hashlib hmac itertools logging math random re string "
    "subprocess tarfile tempfile time traceback typing urllib.parse urllib.request uuid zipfile"
).split()


def preload():
    """Imports what nearly every action needs, so that forked children share it. Starts no thread."""
    for name in _PRELOADED:
        importlib.import_module(name)
    # Keeps the collector from writing to, and so unsharing, the pages of what was imported.
    gc.collect()
    gc.freeze()


def serve(control, open_listener, listen_and_serve):
    """Serves `control` (`fd:N`) until its other end closes."""
    kind, _, number = control.partition(":")
    if kind != "fd" or not number.isdigit():
        sys.exit("python runtime: OW_ZYGOTE is '%s' but must be fd:N" % control)
    try:
        sock = socket.socket(fileno=int(number))
    except OSError as error:
        sys.exit("python runtime: OW_ZYGOTE is '%s': %s" % (control, error))
    if sock.type != socket.SOCK_SEQPACKET:
        sys.exit("python runtime: OW_ZYGOTE is '%s', which is no socket of type SOCK_SEQPACKET" % control)
    preload()
    start = Zygote(sock).run()
    if start is not None:
        start(open_listener, listen_and_serve)


class Zygote:
    """Forks on request and reaps."""

    def __init__(self, control):
        self._control = control
        self._children = set()
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)

    def run(self):
        """In the zygote, returns None at its end; in each child, returns what the child is to call."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poller.poll()]
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                self._reap()
            if self._control.fileno() in ready:
                data, fds, flags, _ = socket.recv_fds(self._control, MAX_PACKET_BYTES, _STDIO)
                if not data:
                    self._kill_all()
                    return None
                child = self._fork(data, fds, flags)
                if child is not None:
                    return child

    def _fork(self, data, fds, flags):
        """Returns the `_Child` in the child, None in the zygote."""
        request = {}
        try:
            request = _parse(data, fds, flags)
            pid = os.fork()
        except (ValueError, OSError) as error:
            self._tell({"id": request.get("id"), "error": str(error)})
            pid = None
        if pid == 0:
            for fd in (self._wake_read, self._wake_write):
                os.close(fd)
            return _Child(request, fds, self._control)
        for fd in fds:
            os.close(fd)
        if pid is not None:
            self._children.add(pid)
        return None

    def _reap(self):
        for pid in list(self._children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done == 0:
                continue
            self._children.remove(pid)
            if os.WIFSIGNALED(status):
                self._tell({"exited": pid, "signal": os.WTERMSIG(status)})
            else:
                self._tell({"exited": pid, "code": os.WEXITSTATUS(status)})

    def _kill_all(self):
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _tell(self, message):
        try:
            self._control.send(json.dumps(message).encode("utf-8"))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the next `poll` reports the end of the socket


def _parse(data, fds, flags):
    request = json.loads(data)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise ValueError("the request is longer than %d bytes or has too many descriptors" % MAX_PACKET_BYTES)
    if not isinstance(request, dict) or not isinstance(request.get("listen"), str):
        raise ValueError("the request names no address to listen on")
    if len(fds) != _STDIO:
        raise ValueError("the request must carry %d descriptors, not %d" % (_STDIO, len(fds)))
    return request


class _Child:
    """Turns a fresh fork into a runtime of its own."""

    def __init__(self, request, stdio, control):
        self._request = request
        self._stdio = stdio
        self._control = control

    def __call__(self, open_listener, listen_and_serve):
        self._leave_parent()
        request = self._request
        try:
            if request.get("cwd") is not None:
                os.chdir(request["cwd"])
            listener = open_listener(request["listen"])
        except (ValueError, OSError) as error:
            self._answer({"id": request.get("id"), "error": str(error)})
            os._exit(1)
        self._answer({"id": request.get("id"), "pid": os.getpid()})
        self._control.close()
        listen_and_serve(listener)

    def _leave_parent(self):
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        for target, fd in enumerate(self._stdio, start=1):
            os.dup2(fd, target)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        for fd in [null, *self._stdio]:
            if fd > 2:
                os.close(fd)
        if self._request.get("env") is not None:
            os.environ.clear()
            os.environ.update(self._request["env"])
        sys.modules["random"].seed()

    def _answer(self, message):
        self._control.send(json.dumps(message).encode("utf-8"))
