"""The module `cache` against a real Redis, alone and in actions."""

import os
import threading
import unittest

from harness import DEADLINE, RuntimeTest, make_zip, wait_for
from redis_server import Redis, needs_redis

from ow_cache import Cache, CacheError, CacheFull, CacheRefused, CacheTimeout


def in_threads(calls):
    """Calls all at once; their results, exceptions among these, in order."""
    outcomes = [None] * len(calls)

    def run(number, call):
        try:
            outcomes[number] = call()
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    return threads, outcomes


def join(threads):
    for thread in threads:
        thread.join(DEADLINE)
        if thread.is_alive():
            raise AssertionError("gave up waiting for a thread")


@needs_redis
class CacheTest(unittest.TestCase):
    def setUp(self):
        self.redis = Redis(self, "token-1")
        self.cache = self.open()

    def open(self, token="token-1"):
        cache = Cache(self.redis.url, token)
        self.addCleanup(cache.close)
        return cache

    def test_values(self):
        cache = self.cache
        self.assertEqual([cache.get("none"), cache.get_bytes("none"), cache.get_json("none")], [None] * 3)
        self.assertIsNone(cache.set("ключ", "текст ☃"))
        self.assertEqual(cache.get("ключ"), "текст ☃")
        cache.set("empty", "")
        self.assertEqual(cache.get("empty"), "")
        data = bytes([0, 13, 10, 255, 128])
        cache.set(data, memoryview(data))
        self.assertEqual(cache.get_bytes(data), data)
        self.assertEqual(cache.get(data), "\0\r\n\ufffd\ufffd")
        for value, text in (
            (1.5, "1.5"), (10**20, "1" + "0" * 20), (True, "true"), (None, "null"), ({"a": [1, "é"]}, '{"a":[1,"é"]}'), ([], "[]"),
        ):  # fmt: skip
            cache.set("v", value)
            self.assertEqual(cache.get("v"), text)
        cache.set("v", {"a": 1}, ttl=100)
        self.assertEqual(cache.get_json("v"), {"a": 1})
        self.assertGreater(self.redis.do("PTTL", "v"), 90_000)
        cache.set("v", "no json", ttl=0.5)
        self.assertLessEqual(self.redis.do("PTTL", "v"), 500)
        self.assertRaisesRegex(CacheError, "'v' is not JSON", cache.get_json, "v")
        self.assertEqual(cache.delete("ключ", data, "none"), 2)

    def test_large_values_come_back_whole(self):
        large = b"abc\r\n" * (4 << 20)
        self.cache.set("large", large)
        self.assertTrue(self.cache.get_bytes("large") == large)

    def test_counters_count_from_when_they_were_made(self):
        cache = self.cache
        self.assertEqual([cache.increment("n"), cache.increment("n", 5), cache.decrement("n", 2)], [1, 6, 4])
        self.assertEqual(self.redis.do("TTL", "n"), -1)
        self.assertEqual(cache.increment("m", 2, ttl=100), 2)
        self.redis.do("PEXPIRE", "m", 50_000)
        self.assertEqual(cache.increment("m", ttl=100), 3)
        self.assertLessEqual(self.redis.do("PTTL", "m"), 50_000)
        cache.set("text", "x")
        self.assertRaises(CacheError, cache.increment, "text")

    def test_the_plain_client_takes_any_command_and_pipelines_them(self):
        client = self.cache.client()
        self.assertIs(client, self.cache.client())
        self.assertEqual(client.command("HSET", "h", "field", "é"), 1)
        self.assertEqual(client.command("HGETALL", "h"), ["field", "é"])
        self.assertEqual(client.command("HGET", "h", "field", raw=True), "é".encode())
        with self.assertRaises(CacheError) as caught:
            client.command("LPUSH", "h", 1)
        self.assertEqual(caught.exception.code, "WRONGTYPE")
        replies = client.pipeline([("MULTI",), ("INCR", "n"), ("EXEC",), ("LPUSH", "h", 1), ("GET", "none")])
        self.assertEqual(replies[:3] + replies[4:], ["OK", "QUEUED", [1], None])
        self.assertEqual(replies[3].code, "WRONGTYPE")
        self.assertEqual(client.pipeline([]), [])
        numbers = [str(n) for n in range(2000)]
        self.assertEqual(client.pipeline(("ECHO", n) for n in numbers), numbers)
        self.assertRaises(CacheTimeout, self.cache.client(timeout=0.1).command, "BLPOP", "nothing", 5)
        self.assertEqual(client.command("PING"), "PONG")

    def test_threads_get_each_its_own_reply(self):
        def work(number):
            keys = ["k%d-%d" % (number, n) for n in range(100)]
            for key in keys:
                self.cache.set(key, key)
            return [key for key in keys if self.cache.get(key) != key]

        threads, outcomes = in_threads([lambda n=n: work(n) for n in range(10)])
        join(threads)
        self.assertEqual(outcomes, [[]] * 10)
        self.assertLessEqual(self.redis.connections(), 10)

    def test_a_token_that_is_over_is_refused_and_the_next_one_goes_on(self):
        environment = {"__OW_CACHE_URL": self.redis.url, "__OW_CACHE_TOKEN": "token-1"}
        os.environ.update(environment)
        self.addCleanup(lambda: [os.environ.pop(name) for name in environment])
        cache = Cache()
        client = cache.client()
        self.addCleanup(cache.close)
        cache.set("k", "v")
        # RESET ends the login of a connection, as the proxy does between activations.
        self.assertEqual(client.command("RESET"), "RESET")
        self.assertEqual(client.command("GET", "k"), "v")
        self.redis.issue("token-2")
        client.command("RESET")
        with self.assertRaises(CacheRefused) as caught:
            client.command("GET", "k")
        self.assertEqual(caught.exception.code, "WRONGPASS")
        os.environ["__OW_CACHE_TOKEN"] = "token-2"
        self.assertEqual(client.command("GET", "k"), "v")
        # A connection that broke is made again, with the token of then.
        self.redis.issue("token-3")
        os.environ["__OW_CACHE_TOKEN"] = "token-3"
        self.redis.drop_connections()
        wait_for(lambda: self.redis.connections() == 0, "the end of the connections")
        self.assertEqual([cache.get("k"), client.command("GET", "k")], ["v", "v"])

    def test_twenty_threads_and_three_others_cause_one_computation(self):
        computed = []
        gate = threading.Event()

        def compute():
            computed.append(1)
            gate.wait(DEADLINE)
            return {"n": len(computed)}

        def ask(cache):
            return lambda: cache.get_or_compute("k", compute, ttl=60)

        threads, outcomes = in_threads([ask(self.cache)] * 20)
        wait_for(lambda: computed, "the computation")
        before = self.redis.calls("set")
        more, others = in_threads([ask(self.open()) for _ in range(3)])
        wait_for(lambda: self.redis.calls("set") >= before + 6, "the others to wait")
        gate.set()
        join(threads + more)
        self.assertEqual(outcomes + others, [{"n": 1}] * 23)
        self.assertEqual(len(computed), 1)
        self.assertIsNot(outcomes[0], outcomes[1])
        self.assertGreater(self.redis.do("PTTL", "k"), 50_000)
        self.assertEqual(self.redis.do("EXISTS", "k:ow-lock"), 0)
        self.assertEqual(self.cache.get_or_compute("k", compute), {"n": 1})
        self.assertEqual(len(computed), 1)

    def test_a_computation_that_fails_fails_its_callers_and_others_compute(self):
        computing, gate = threading.Event(), threading.Event()

        def fail():
            computing.set()
            gate.wait(DEADLINE)
            raise KeyError("no luck")

        threads, outcomes = in_threads([lambda: self.cache.get_or_compute("k", fail)])
        computing.wait(DEADLINE)
        more, others = in_threads(
            [
                lambda: self.cache.get_or_compute("k", lambda: "not called"),
                lambda: self.open().get_or_compute("k", lambda: "from the other"),
            ]
        )
        # The first of the two joins the flight, which cannot be seen from outside but for what it does not do.
        wait_for(lambda: self.redis.calls("set") >= 3, "the other to wait")
        gate.set()
        join(threads + more)
        self.assertIsInstance(outcomes[0], KeyError)
        self.assertIn(str(others[0]), ("'no luck'", "from the other"))
        self.assertEqual(others[1], "from the other")
        self.assertRaises(TypeError, self.cache.get_or_compute, "l", object)
        self.assertEqual(self.redis.do("EXISTS", "l:ow-lock"), 0)
        self.assertIsNone(self.cache.get_or_compute("l", lambda: None))
        self.assertEqual(self.cache.get("l"), "null")

    def test_a_lock_whose_owner_died_expires_or_the_patience_ends(self):
        self.redis.do("SET", "k:ow-lock", "a dead one", "PX", 300)
        self.assertEqual(self.cache.get_or_compute("k", lambda: 1), 1)
        self.redis.do("SET", "l:ow-lock", "a slow one")
        self.assertEqual(self.cache.get_or_compute("l", lambda: 2, max_wait=0.05), 2)
        self.assertEqual(self.redis.do("GET", "l:ow-lock"), "a slow one")

        def slow():
            wait_for(lambda: not self.redis.do("EXISTS", "m:ow-lock"), "the lock to expire")
            self.redis.do("SET", "m:ow-lock", "the next")
            return 3

        # Of another owner after ours expired, the lock is left alone.
        self.assertEqual(self.cache.get_or_compute("m", slow, lock_ttl=0.01), 3)
        self.assertEqual(self.redis.do("GET", "m:ow-lock"), "the next")

    def test_a_computed_value_that_finds_no_room_is_given_all_the_same(self):
        def compute():
            self.redis.do("CONFIG", "SET", "maxmemory", "1")
            return "computed"

        self.assertEqual(self.cache.get_or_compute("k", compute), "computed")
        self.assertRaises(CacheFull, self.cache.set, "k", "v")

    def test_a_fork_has_connections_of_its_own(self):
        client = self.cache.client()
        own = client.command("CLIENT", "ID")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, str(client.command("CLIENT", "ID")).encode())
            finally:
                os._exit(0)
        os.close(writer)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        with os.fdopen(reader) as pipe:
            self.assertNotIn(pipe.read(), ("", str(own)))
        # Ours was not shut down by the child's end.
        self.assertEqual(client.command("CLIENT", "ID"), own)


ACTION = """
import os, sys
SEEN = {name: os.environ.get(name) for name in ("__OW_CACHE_URL", "__OW_CACHE_TOKEN")}
def main(args):
    own = [name for name in os.environ if name.startswith("__OW_CACHE")]
    if args.get("own"):
        child = os.popen("env").read()
        return {"seen": SEEN, "own": own, "child": "__OW_CACHE" in child, "loaded": "ow_cache" in sys.modules}
    import cache, ow_cache
    try:
        if args.get("set"):
            cache.set("k", args["set"])
        return {"value": cache.get("k"), "same": cache is ow_cache}
    except cache.CacheUnavailable as error:
        return {"message": str(error)}
"""


@needs_redis
class ActionTest(RuntimeTest):
    def test_one_connection_for_all_activations_and_none_for_those_without_a_cache(self):
        redis = Redis(self, "token-1")
        client = self.start_with(ACTION, env={"__OW_CACHE_URL": redis.url, "__OW_CACHE_TOKEN": "token-0"})
        seen = {"__OW_CACHE_URL": redis.url, "__OW_CACHE_TOKEN": "token-0"}
        nothing = {"seen": seen, "own": [], "child": False, "loaded": False}
        self.assertEqual(client.run({"own": True}), (200, nothing))

        first = client.run({"set": "v"}, cache_url=redis.url, cache_token="token-1")
        self.assertEqual(first, (200, {"value": "v", "same": True}))
        redis.issue("token-2")
        second = client.run(cache_url=redis.url, cache_token="token-2")
        self.assertEqual(second, (200, {"value": "v", "same": True}))
        self.assertEqual(redis.connections(), 1)

        self.assertIn("give it the annotation cache=true", client.run()[1]["message"])
        failed = client.run(cache_error="the proxy is away")
        self.assertEqual(failed, (200, {"message": "the cache is not available: the proxy is away"}))
        self.assertEqual(client.run({"own": True}), (200, dict(nothing, loaded=True)))


class ImportTest(RuntimeTest):
    def test_a_cache_of_the_users_own_comes_first(self):
        files = {
            "__main__.py": "import cache, ow_cache\n"
            "def main(args):\n    return {'whose': cache.WHOSE, 'error': ow_cache.CacheError.__name__}\n",
            "cache.py": "WHOSE = 'the user'\n",
        }
        client = self.start()
        self.assertEqual(client.init_archive(make_zip(files)), (200, {"ok": True}))
        self.assertEqual(client.run(), (200, {"whose": "the user", "error": "CacheError"}))

    def test_nothing_else_of_the_runtime_can_be_imported_afresh(self):
        code = """
import importlib
def main(args):
    found = []
    for name in ("server", "cache.more", "ow_nothing", "ow_cachet"):
        try:
            importlib.import_module(name)
            found.append(name)
        except ImportError:
            pass
    return {"found": found}
"""
        self.assertEqual(self.start_with(code).run(), (200, {"found": []}))


if __name__ == "__main__":
    unittest.main()
