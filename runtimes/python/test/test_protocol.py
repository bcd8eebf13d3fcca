"""The /init and /run protocol: order, status codes, bodies, environment, framing."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from harness import SERVER, RuntimeTest, wait_for

ECHO = "def main(args):\n    return args\n"
OWN_VARIABLES = """
import os, subprocess
def main(args):
    own = {k: v for k, v in os.environ.items() if k.startswith("__OW_")}
    child = subprocess.run(["env"], capture_output=True, text=True).stdout if not args.get("system") else os.popen("env").read()
    return {"own": own, "child": sorted(line for line in child.splitlines() if line.startswith("__OW_"))}
"""


class ProtocolTest(RuntimeTest):
    def test_init_without_code_is_refused_and_leaves_the_runtime_ready(self):
        client = self.start()
        for body in ('{"value":{"main":"main"}}', '{"value":{"main":"main","code":""}}', '{"value":{}}', "{}"):
            self.assertEqual(client.send("POST", "/init", body), (403, {"error": "Missing main/no code to execute."}))
        self.assertEqual(client.init(ECHO), (200, {"ok": True}))

    def test_run_before_init_and_second_init_are_refused(self):
        client = self.start()
        self.assertEqual(client.run(), (500, {"error": "no action defined yet"}))
        client.init(ECHO)
        self.assertEqual(client.init(ECHO), (403, {"error": "Cannot initialize the action more than once."}))
        self.assertEqual(client.run({"a": 1}), (200, {"a": 1}))

    def test_run_takes_objects_and_arrays_and_nothing_else(self):
        client = self.start_with(ECHO)
        for body in ('{"value":null}', '{"value":"text"}', '{"value":5}', "{}"):
            status, answer = client.send("POST", "/run", body)
            self.assertEqual(status, 403)
            self.assertIn("value of the run request", answer["error"])
        self.assertEqual(client.run({}), (200, {}))
        self.assertEqual(client.run([1, {"two": 2}]), (200, [1, {"two": 2}]))

    def test_arguments_come_back_unchanged(self):
        client = self.start_with(ECHO)
        unicode = {"winter": "❄ ☃ ❄", "ключ": '日本 \u0000 "quoted"', "astral": "😀"}
        self.assertEqual(client.run(unicode), (200, unicode))
        large = {"text": "é" * (1 << 20)}
        self.assertEqual(client.run(large), (200, large))

    def test_bad_json_and_unknown_routes(self):
        client = self.start()
        for body in ('{"value":', "7", b"\xff"):
            status, answer = client.send("POST", "/init", body)
            self.assertEqual(status, 400)
            self.assertIn("Error unmarshaling request: ", answer["error"])
        self.assertEqual(client.send("POST", "/nothing", "{}")[0], 404)
        self.assertEqual(client.send("GET", "/run", "")[0], 404)

    def test_init_environment_is_there_when_the_code_is_loaded(self):
        code = "import os\nSEEN = dict(os.environ)\ndef main(args):\n    return {k: SEEN.get(k) for k in args['names']}\n"
        client = self.start_with(code, env={"TEXT": "a b", "OBJECT": {"x": [1]}, "NUMBER": 5, "NONE": None})
        expected = {"TEXT": "a b", "OBJECT": '{"x": [1]}', "NUMBER": "5", "NONE": "null", "OW_LISTEN": None}
        self.assertEqual(client.run({"names": list(expected)}), (200, expected))

    def test_an_init_parameter_that_can_be_no_variable_fails_init_by_name(self):
        status, answer = self.start().init(ECHO, env={"a=b": "c"})
        self.assertEqual(status, 502)
        self.assertIn("init parameter 'a=b' cannot be the name", answer["error"])

    def test_each_run_member_is_a_variable_and_none_survives_its_run(self):
        client = self.start_with(OWN_VARIABLES, env={"__OW_NAMESPACE": "from-init"})
        first = {
            "namespace": "guest", "action_name": "/guest/a", "action_version": "0.0.1", "activation_id": "id1",
            "transaction_id": "tid1", "deadline": "1700000000000", "api_key": "k:s", "cache_token": "ct",
            "cache_url": "redis://c", "attempt": 2,
        }  # fmt: skip
        expected = {"__OW_" + name.upper(): str(value) for name, value in first.items()}
        listed = sorted("%s=%s" % item for item in expected.items())
        self.assertEqual(client.run(**first), (200, {"own": expected, "child": listed}))
        second = {"__OW_NAMESPACE": "from-init", "__OW_ACTIVATION_ID": "id2"}
        listed = sorted("%s=%s" % item for item in second.items())
        for value in ({}, {"system": True}):
            self.assertEqual(
                client.run(value, activation_id="id2", api_key=None), (200, {"own": second, "child": listed})
            )

    def test_what_init_says_of_the_cache_is_about_one_activation_and_no_other_sees_it(self):
        client = self.start_with(OWN_VARIABLES, env={"__OW_CACHE_URL": "redis://c", "__OW_CACHE_TOKEN": "of-init"})
        self.assertEqual(client.run(), (200, {"own": {}, "child": []}))
        own = {"__OW_CACHE_TOKEN": "t"}
        self.assertEqual(client.run(cache_token="t"), (200, {"own": own, "child": ["__OW_CACHE_TOKEN=t"]}))
        self.assertEqual(client.run({"system": True}), (200, {"own": {}, "child": []}))

    def test_children_of_multiprocessing_see_the_present_run(self):
        code = """
import multiprocessing, os
def child(queue):
    queue.put(os.environ.get("__OW_ACTIVATION_ID"))
def main(args):
    context = multiprocessing.get_context(args["how"])
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    seen = queue.get(timeout=20)
    process.join(20)
    return {"seen": seen}
"""
        client = self.start_with(code)
        for number, how in enumerate(("fork", "spawn")):
            self.assertEqual(client.run({"how": how}, activation_id="id%d" % number), (200, {"seen": "id%d" % number}))
        self.assertEqual(self.process.logs(1)[1], [])

    def test_a_run_during_a_run_is_refused_on_another_connection(self):
        code = """
import os, time
def main(args):
    print("in")
    while not os.path.exists(args["until"]):
        time.sleep(0.005)
    return {"done": True}
"""
        client = self.start_with(code)
        other = self.connect()
        until = self.process.socket_path + ".go"
        client._connection.request("POST", "/run", '{"value":{"until":"%s"}}' % until)
        wait_for(lambda: "in" in self.process.stdout.text, "the first run")
        for _ in range(3):
            self.assertEqual(other.run(), (403, {"error": "System not ready, status is running."}))
        self.assertEqual(other.init(ECHO), (403, {"error": "Cannot initialize the action more than once."}))
        open(until, "w").close()
        self.assertEqual(client._connection.getresponse().read(), b'{"done":true}')
        # Once idle, whichever connection asks is served, in any order.
        for connection in (other, client, client, other, self.connect()):
            self.assertEqual(connection.run({"until": until}), (200, {"done": True}))

    def test_user_code_runs_in_the_main_thread(self):
        code = """
import signal, threading
def main(args):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return {"main": threading.current_thread() is threading.main_thread()}
"""
        self.assertEqual(self.start_with(code).run(), (200, {"main": True}))


class FramingTest(RuntimeTest):
    def exchange(self, data):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self.process.socket_path)
            sock.sendall(data)
            answer = b""
            while True:
                part = sock.recv(65536)
                if not part:
                    return answer
                answer += part

    def test_pipelined_requests_are_answered_in_order_and_close_is_honoured(self):
        self.start_with(ECHO)

        def request(n, more=""):
            body = '{"value":{"n":%d}}' % n
            head = "POST /run HTTP/1.1\r\nHost: x\r\n%scontent-length: %d\r\n\r\n" % (more, len(body))
            return (head + body).encode("ascii")

        answer = self.exchange(request(1) + request(2) + request(3, "Connection: close\r\n"))
        self.assertEqual(re.findall(rb"\{.*?\}", answer), [b'{"n":1}', b'{"n":2}', b'{"n":3}'])

    def test_what_is_no_request_is_answered_and_closed(self):
        self.start_with(ECHO)
        for data, expected in (
            (b"nonsense\r\n\r\n", b"HTTP/1.1 400 "),
            (b"POST /run HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 400 "),
            (b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 411 "),
            (b"POST /init HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"HTTP/1.1 413 "),
            (b"POST /run HTTP/1.1\r\nX: " + b"y" * 66_000, b"HTTP/1.1 431 "),
            # The second request is read by the main thread, which took the connection with the first.
            (b'POST /run HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"value":{}}junk\r\n\r\n', b"HTTP/1.1 200 "),
        ):
            self.assertTrue(self.exchange(data).startswith(expected), expected)
        self.assertEqual(self.client.run({"still": "there"}), (200, {"still": "there"}))

    def test_a_peer_that_expects_100_continue_gets_it(self):
        self.start()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(self.process.socket_path)
            sock.sendall(b"POST /init HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            self.assertEqual(sock.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            sock.sendall(b"{}")
            self.assertTrue(sock.recv(1000).startswith(b"HTTP/1.1 403 "))

    def test_a_peer_that_leaves_early_harms_nobody(self):
        self.start_with(ECHO)
        for data in (b"", b"POST /run", b"POST /run HTTP/1.1\r\nContent-Length: 90\r\n\r\n{"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self.process.socket_path)
                sock.sendall(data)
        self.assertEqual(self.client.run({"a": 1}), (200, {"a": 1}))


class ListenTest(unittest.TestCase):
    def test_it_listens_on_tcp_as_well(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        folder = tempfile.mkdtemp(prefix="ow-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        env = dict(os.environ, OW_LISTEN="tcp:127.0.0.1:%d" % port, TMPDIR=folder)
        child = subprocess.Popen([sys.executable, SERVER], env=env)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        answers = []

        def ask():
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request("POST", "/run", "{}")
                answers.append(connection.getresponse().read())
                connection.close()
            except ConnectionRefusedError:
                self.assertIsNone(child.poll())
            return answers

        wait_for(ask, "the server to listen")
        self.assertEqual(answers, [b'{"error": "no action defined yet"}'])

    def test_an_address_that_cannot_be_used_ends_the_process_with_one_line(self):
        for listen, expected in (
            ("somewhere", r"\Apython runtime: OW_LISTEN is 'somewhere' but must be unix:/path or tcp:HOST:PORT\n\Z"),
            ("unix:/nonexistent/x.sock", r"\Apython runtime: cannot listen on unix:/nonexistent/x.sock: .*\n\Z"),
        ):
            done = subprocess.run(
                [sys.executable, SERVER], env=dict(os.environ, OW_LISTEN=listen), stderr=subprocess.PIPE, text=True
            )
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, expected)


if __name__ == "__main__":
    unittest.main()
