"""Runs the runtime server as an invoker does: a child with piped stdio on a unix socket of its own."""

import base64
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
import zipfile

SERVER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "server.py")
SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
DEADLINE = 20.0
POLL = 0.005


def wait_for(condition, what):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("gave up waiting for " + what)
        time.sleep(POLL)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self._path)


class Client:
    """One keep-alive connection to a runtime."""

    def __init__(self, path):
        self._connection = UnixConnection(path)

    def send(self, method, path, body):
        """Returns `(status, JSON body)`; raises when the connection breaks."""
        self._connection.request(method, path, body)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def init(self, code, **more):
        value = {"name": "test", "main": "main", "code": code, "binary": False}
        value.update(more)
        return self.send("POST", "/init", json.dumps({"value": value}))

    def init_archive(self, data, **more):
        return self.init(base64.b64encode(data).decode("ascii"), binary=True, **more)

    def run(self, value=None, **more):
        return self.send("POST", "/run", json.dumps(dict(more, value={} if value is None else value)))

    def close(self):
        self._connection.close()


class Output:
    """Collects a pipe of the runtime; `gate` holds the reading back."""

    def __init__(self, pipe):
        self.data = b""
        self.gate = threading.Event()
        self.gate.set()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        while True:
            self.gate.wait()
            data = os.read(self._pipe.fileno(), 65536)
            if not data:
                return
            self.data += data

    @property
    def text(self):
        return self.data.decode("utf-8")

    def close(self):
        self.gate.set()
        self._thread.join()
        self._pipe.close()


class Process:
    """A server process and what it writes."""

    def __init__(self, folder, **env):
        self.socket_path = os.path.join(folder, "runtime.sock")
        base = {"PATH": os.environ["PATH"], "TMPDIR": folder, "OW_LISTEN": "unix:" + self.socket_path}
        base.update(env)
        self.child = subprocess.Popen(
            [sys.executable, SERVER], env=base, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.stdout = Output(self.child.stdout)
        self.stderr = Output(self.child.stderr)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
        self.child.wait(DEADLINE)
        self.stdout.close()
        self.stderr.close()

    def logs(self, index=0):
        """The lines of activation number `index` as `(stdout, stderr)`, once both sentinels are there."""
        return tuple(self._lines(output, index) for output in (self.stdout, self.stderr))

    def _lines(self, output, index):
        wait_for(lambda: output.text.count(SENTINEL) > index, "sentinel %d" % index)
        return output.text.split(SENTINEL)[index].splitlines()


class RuntimeTest(unittest.TestCase):
    """A test with a fresh runtime when it calls `start`."""

    def start(self, **env):
        folder = tempfile.mkdtemp(prefix="ow-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.process = Process(folder, **env)
        self.addCleanup(self.process.stop)
        wait_for(lambda: os.path.exists(self.process.socket_path), "the server to listen")
        self.client = self.connect()
        return self.client

    def connect(self):
        client = Client(self.process.socket_path)
        self.addCleanup(client.close)
        return client

    def start_with(self, code, **more):
        """Starts a runtime and initializes it with `code`."""
        client = self.start()
        self.assertEqual(client.init(code, **more), (200, {"ok": True}))
        return client


def make_zip(files):
    """A zip archive of `{name: text, or (text, mode), or ("link", target)}`."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            text, mode = _member(content)
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return data.getvalue()


def make_tar_gz(files):
    """A gzipped tar archive of the same."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in files.items():
            text, mode = _member(content)
            info = tarfile.TarInfo(name)
            info.mode = mode & 0o777
            if mode & 0o170000 == 0o120000:
                info.type, info.linkname = tarfile.SYMTYPE, text
                archive.addfile(info)
            else:
                info.size = len(text.encode("utf-8"))
                archive.addfile(info, io.BytesIO(text.encode("utf-8")))
    return data.getvalue()


def _member(content):
    if isinstance(content, str):
        return content, 0o100644
    if content[0] == "link":
        return content[1], 0o120777
    return content[0], 0o100000 | content[1]
