"""The zygote: forking runtimes, their isolation from each other, and their end."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from harness import DEADLINE, SENTINEL, SERVER, Client, Output, wait_for

CODE = """
import os, random, sys, threading
def main(args):
    print("hello")
    fds = [fd for fd in os.listdir("/proc/self/fd")]
    links = {fd: os.readlink("/proc/self/fd/" + fd) for fd in fds if os.path.exists("/proc/self/fd/" + fd)}
    return {"random": random.random(), "pid": os.getpid(), "leader": os.getsid(0), "env": dict(os.environ),
            "cwd": os.getcwd(), "fds": links, "main": threading.current_thread() is threading.main_thread()}
"""


class ZygoteTest(unittest.TestCase):
    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="ow-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(DEADLINE)
        self.addCleanup(self.control.close)
        with theirs:
            self.zygote = subprocess.Popen(
                [sys.executable, SERVER],
                env=dict(os.environ, OW_ZYGOTE="fd:%d" % theirs.fileno(), TMPDIR=self.folder),
                pass_fds=[theirs.fileno()],
            )
        self.addCleanup(self.end)

    def end(self):
        self.control.close()
        self.assertEqual(self.zygote.wait(DEADLINE), 0)

    def receive(self):
        return json.loads(self.control.recv(65536))

    def fork(self, name, **more):
        """Asks for a child; returns the answer, its socket path and its two outputs."""
        path = os.path.join(self.folder, name)
        pipes = [os.pipe(), os.pipe()]
        request = dict({"id": name, "listen": "unix:" + path}, **more)
        socket.send_fds(self.control, [json.dumps(request).encode("utf-8")], [pipe[1] for pipe in pipes])
        outputs = []
        for read, write in pipes:
            os.close(write)
            outputs.append(Output(os.fdopen(read, "rb")))
        self.addCleanup(lambda: [output.close() for output in outputs])
        self.addCleanup(self.control.close)
        return self.receive(), path, outputs

    def connect(self, path):
        client = Client(path)
        self.addCleanup(client.close)
        return client

    def test_children_are_separate_runtimes(self):
        os.mkdir(os.path.join(self.folder, "work"))
        seen = []
        for name in ("a", "b"):
            env = {"NAME": name, "TMPDIR": self.folder}
            answer, path, (stdout, stderr) = self.fork(name, env=env, cwd=os.path.join(self.folder, "work"))
            self.assertEqual(answer["id"], name)
            client = self.connect(path)  # at once: the answer says that it listens
            self.assertEqual(client.init(CODE), (200, {"ok": True}))
            status, result = client.run(activation_id="id-" + name)
            self.assertEqual(status, 200)
            self.assertEqual(result["pid"], answer["pid"])
            self.assertEqual(result["leader"], answer["pid"])
            self.assertTrue(result["main"])
            self.assertTrue(result["cwd"].startswith(self.folder))
            self.assertEqual(result["env"], dict(env, __OW_ACTIVATION_ID="id-" + name, **_locale(result["env"])))
            self.assertEqual(result["fds"]["0"], os.devnull)
            # Three of stdio, two for the sentinels, the listener, the connection, two wake-up pipes; nothing of the
            # zygote's.
            self.assertEqual(len(result["fds"]), 11, result["fds"])
            wait_for(lambda: stdout.text == "hello\n" + SENTINEL and stderr.text == SENTINEL, "the logs")
            seen.append(result["random"])
        self.assertNotEqual(seen[0], seen[1])

    def test_the_end_of_a_child_is_told(self):
        answer, path, _ = self.fork("a")
        client = self.connect(path)
        client.init("import os\ndef main(args):\n    os._exit(args['code'])\n")
        with self.assertRaises(ConnectionError):
            client.run({"code": 7})
        self.assertEqual(self.receive(), {"exited": answer["pid"], "code": 7})
        answer, _, _ = self.fork("b")
        os.kill(answer["pid"], signal.SIGKILL)
        self.assertEqual(self.receive(), {"exited": answer["pid"], "signal": 9})

    def test_bad_requests_are_refused_and_the_zygote_stays(self):
        for data, expected in (
            (b"{", "Expecting"),
            (b'{"id":1}', "names no address"),
            (b'{"id":1,"listen":"unix:/x"}', "must carry 2 descriptors, not 0"),
        ):
            self.control.send(data)
            self.assertIn(expected, self.receive()["error"])
        answer, _, _ = self.fork("a", listen="unix:/nonexistent/x.sock")
        self.assertEqual(answer["id"], "a")
        self.assertIn("No such file", answer["error"])
        self.assertEqual(self.receive()["code"], 1)
        self.assertIn("pid", self.fork("b")[0])

    def test_children_end_with_the_zygote(self):
        answer, _, (stdout, stderr) = self.fork("a")
        child = os.pidfd_open(answer["pid"])
        self.addCleanup(os.close, child)
        self.control.close()
        self.assertEqual(self.zygote.wait(DEADLINE), 0)
        self.assertTrue(select.select([child], [], [], DEADLINE)[0], "the child lives on")


def _locale(env):
    # CPython itself may add LC_CTYPE when it starts under the C locale.
    return {name: env[name] for name in ("LC_CTYPE",) if name in env}


class ZygoteStartTest(unittest.TestCase):
    def test_a_descriptor_that_is_no_such_socket_ends_it_with_one_line(self):
        for control, expected in (("seven", "must be fd:N"), ("fd:99", "Bad file descriptor"), ("fd:0", "fd:0")):
            done = subprocess.run(
                [sys.executable, SERVER], env=dict(os.environ, OW_ZYGOTE=control), stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
            self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    unittest.main()
