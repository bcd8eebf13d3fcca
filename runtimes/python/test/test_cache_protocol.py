"""The cache's protocol and connections without a real server: bytes, limits, and servers that misbehave."""

import os
import signal
import threading
import time
import unittest

from harness import RuntimeTest, wait_for
from redis_server import FakeServer, free_port, saying

import ow_cache
from ow_cache import Cache, CacheError, CacheFull, CacheRefused, CacheTimeout, CacheUnavailable
from ow_cache_errors import ReplyProtocolError
from ow_cache_resp import INCOMPLETE, ReplyReader, as_text, encode

MAX = 1 << 20


def replies(data, step=None):
    reader = ReplyReader()
    found = []
    step = step or len(data)
    for at in range(0, len(data), step):
        reader.push(data[at : at + step])
        reply = reader.next(MAX)
        while reply is not INCOMPLETE:
            found.append(reply)
            reply = reader.next(MAX)
    return found


class RespTest(unittest.TestCase):
    def test_commands_are_binary_safe_and_go_out_as_one(self):
        data = encode([("SET", "é", b"\0\xff\r\n"), ["INCRBY", "n", -5], ("X", 1.5, memoryview(b"m"))])
        self.assertEqual(
            data,
            b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$4\r\n\0\xff\r\n\r\n*3\r\n$6\r\nINCRBY\r\n$1\r\nn\r\n$2\r\n-5\r\n"
            b"*3\r\n$1\r\nX\r\n$3\r\n1.5\r\n$1\r\nm\r\n",
        )
        for bad in (None, {}, True, float("nan")):
            self.assertRaises(TypeError, encode, [("GET", bad)])
        for bad in ("GET", ()):
            self.assertRaises(TypeError, encode, [bad])

    def test_replies_are_the_same_however_their_bytes_are_cut(self):
        data = (
            b"+OK\r\n:42\r\n:9223372036854775807\r\n$-1\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*-1\r\n*0\r\n"
            b"*3\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n-WRONGTYPE no\r\n"
        )
        for step in (1, 2, 3, 7, len(data)):
            *simple, last = replies(data, step)
            self.assertEqual(as_text(simple), ["OK", 42, 9223372036854775807, None, "", "a\r\nb", None, []])
            self.assertEqual(last[:2], [b"x", [1, None]])
            self.assertEqual((type(last[2]), last[2].code), (CacheError, "WRONGTYPE"))

    def test_what_is_no_reply_or_too_much_of_one_is_refused_before_it_is_waited_for(self):
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n", b":x\r\n", b"$-2\r\n", b"$99999999999999999999\r\n", b"$%d\r\n" % (MAX + 1),
            b"*%d\r\n" % MAX, b"*1\r\n" * 40, b"+" + b"x" * 70_000,
            b"*3\r\n$%d\r\n%b\r\n$40\r\n" % (MAX - 20, b"x" * (MAX - 20)),
        ):  # fmt: skip
            self.assertRaises(ReplyProtocolError, replies, data)


class MisbehaviourTest(unittest.TestCase):
    def cache(self, url, **limits):
        cache = Cache(url, "token", **dict({"timeout": 20, "connect_timeout": 20}, **limits))
        self.addCleanup(cache.close)
        return cache

    def server(self, serve):
        return FakeServer(self, serve)

    def test_error_replies_become_the_errors_they_are(self):
        for text, kind, code in (
            ("NOPERM KEYS is not available in a cache", CacheRefused, "NOPERM"),
            ("OOM the namespace is over its quota", CacheFull, "OOM"),
            ("ERR quota exceeded: 100 commands a second", CacheFull, "ERR"),
            ("ERR the cache's server is away", CacheUnavailable, "ERR"),
            ("ERR the cache's server did not answer in time", CacheTimeout, "ERR"),
            ("WRONGTYPE Operation against a key", CacheError, "WRONGTYPE"),
        ):
            with self.assertRaises(CacheError) as caught:
                self.cache(self.server(saying(b"-" + text.encode() + b"\r\n")).url).get("k")
            error = caught.exception
            self.assertEqual((type(error), str(error), error.code), (kind, text, code))

    def test_without_a_cache_the_error_says_what_to_do_and_with_a_reason_the_reason(self):
        self.assertRaisesRegex(CacheUnavailable, "no cache: give it the annotation cache=true", ow_cache.get, "k")
        os.environ["__OW_CACHE_ERROR"] = "the proxy is away"
        self.addCleanup(os.environ.pop, "__OW_CACHE_ERROR")
        self.assertRaisesRegex(CacheUnavailable, r"\Athe cache is not available: the proxy is away\Z", ow_cache.get, "k")
        for url in ("http://x", "redis://", "redis://h:99999", "rediss://h:1"):
            self.assertRaisesRegex(CacheUnavailable, "redis://host:port", Cache(url).get, "k")

    def test_a_server_that_is_not_there_is_unavailable(self):
        port = free_port()
        cache = self.cache("redis://127.0.0.1:%d" % port)
        message = "127.0.0.1:%d cannot be reached: Connection refused" % port
        self.assertRaisesRegex(CacheUnavailable, message, cache.get, "k")
        self.assertRaises(CacheUnavailable, cache.get_or_compute, "k", lambda: 1)

    def test_a_reply_that_does_not_come_is_a_time_out_and_the_next_command_has_a_fresh_connection(self):
        def serve(sock, number):
            if number == 0:
                while sock.recv(65536):
                    pass
            saying(b"$1\r\nv\r\n")(sock, number)

        server = self.server(serve)
        cache = self.cache(server.url, timeout=0.2)
        self.assertRaisesRegex(CacheTimeout, "within 0.2 s; whether the command was done", cache.get, "a")
        cache.configure(timeout=20)
        self.assertEqual(cache.get("b"), "v")
        self.assertEqual(server.connections, 2)

    def test_what_was_sent_is_not_repeated_when_the_connection_breaks_or_talks_nonsense(self):
        for answer in (b"", b"+OK\r\n$10\r\ncut of", b"+OK\r\nnonsense\r\n"):
            seen = []

            def serve(sock, _, seen=seen, answer=answer):
                seen.append(sock.recv(65536))
                sock.sendall(answer)

            server = self.server(serve)
            self.assertRaises(CacheError, self.cache(server.url).increment, "n")
            self.assertEqual((server.connections, len(seen)), (1, 1))

    def test_a_reply_larger_than_allowed_fails_its_command(self):
        cache = self.cache(self.server(saying(b"$100000\r\n")).url, max_reply_bytes=1000)
        self.assertRaisesRegex(CacheError, "larger than 1000 bytes", cache.get, "k")

    def test_an_idle_connection_that_ended_or_talked_costs_no_command(self):
        for last in (b"", b"$1\r\nw\r\n"):
            gone = threading.Event()

            def serve(sock, number, last=last, gone=gone):
                sock.sendall(b"+OK\r\n$1\r\nv\r\n" if sock.recv(65536) else b"")
                if number == 0:
                    sock.sendall(last)
                    gone.set()
                    if last:
                        sock.recv(65536)

            server = self.server(serve)
            cache = self.cache(server.url)
            self.assertEqual(cache.get("k"), "v")
            gone.wait()
            wait_for(lambda: not cache._pool._idle[0].rested_well(), "the news")
            self.assertEqual(cache.get("k"), "v")
            self.assertEqual(server.connections, 2)

    def test_an_exception_from_a_signal_leaves_no_reply_for_another(self):
        class Interrupted(Exception):
            pass

        def interrupt(*_):
            raise Interrupted

        def serve(sock, number):
            if number == 0:
                sock.recv(65536)
                os.kill(os.getpid(), signal.SIGUSR1)
                sock.recv(65536)
            saying(b"$1\r\nv\r\n")(sock, number)

        previous = signal.signal(signal.SIGUSR1, interrupt)
        self.addCleanup(signal.signal, signal.SIGUSR1, previous)
        cache = self.cache(self.server(serve).url)
        self.assertRaises(Interrupted, cache.get, "a")
        self.assertEqual(cache.get("b"), "v")

    def test_a_server_that_stops_reading_while_nobody_reads_is_read(self):
        reply = b"+" + b"x" * 10_000 + b"\r\n"

        def serve(sock, _):
            rest = b""
            while True:
                data = sock.recv(4096)
                if not data:
                    return
                # A name may be cut in two.
                sock.sendall(reply * (rest + data).count(b"ECHO"))
                rest = (rest + data)[-3:]

        # Without a token: a login would be a reply too many.
        client = Cache(self.server(serve).url, timeout=20).client()
        self.addCleanup(client.close)
        self.assertEqual(client.pipeline([("ECHO", "y" * 5000)] * 3000), ["x" * 10_000] * 3000)

    def test_arguments_are_checked(self):
        cache = self.cache("redis://127.0.0.1:1")
        for call in (
            lambda: cache.get(5), lambda: cache.set("k", {1, 2}), lambda: cache.set("k", "v", ttl="1"),
            lambda: cache.set("k", float("nan")), lambda: cache.increment("k", 0.5), lambda: cache.configure(colour=1),
            lambda: cache.client().command("subscribe", "c"),
        ):  # fmt: skip
            self.assertRaises(TypeError, call)
        for call in (lambda: cache.set("k", "v", ttl=0), lambda: cache.set("k", [float("nan")])):
            self.assertRaises(ValueError, call)
        self.assertEqual(cache.delete(), 0)


class FrozenTest(RuntimeTest):
    def test_a_reply_that_came_while_the_process_was_frozen_counts(self):
        timeout = 0.5

        def serve(sock, _):
            # Stopped while it waits, and for longer than it would.
            sock.recv(65536)
            os.kill(self.process.child.pid, signal.SIGSTOP)
            sock.sendall(b"$1\r\nv\r\n")
            time.sleep(2 * timeout)
            os.kill(self.process.child.pid, signal.SIGCONT)
            saying(b"$1\r\nw\r\n")(sock, 0)

        server = FakeServer(self, serve)
        code = """
import cache
def main(args):
    cache.configure(timeout=args["timeout"])
    return {"value": cache.get("k")}
"""
        client = self.start_with(code)
        self.assertEqual(client.run({"timeout": timeout}, cache_url=server.url), (200, {"value": "v"}))
        self.assertEqual(client.run({"timeout": 20}, cache_url=server.url), (200, {"value": "w"}))
        self.assertEqual(server.connections, 1)


if __name__ == "__main__":
    unittest.main()
