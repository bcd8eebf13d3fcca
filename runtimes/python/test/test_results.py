"""What an action may return and raise, and what becomes of its logs."""

import http.client
import os
import sys
import unittest

from harness import SENTINEL, RuntimeTest, wait_for

NOT_A_DICTIONARY = (502, {"error": "The action did not return a dictionary or array."})
BROKEN = (http.client.RemoteDisconnected, ConnectionResetError)


class ResultTest(RuntimeTest):
    def test_dictionaries_lists_and_tuples(self):
        code = "import collections\ndef main(args):\n    return eval(args['what'])\n"
        client = self.start_with(code)
        for what, expected in (
            ("{'a': 1}", {"a": 1}),
            ("[1, 2]", [1, 2]),
            ("(1, 2)", [1, 2]),
            ("collections.OrderedDict(x=None)", {"x": None}),
            ("{'error': 'no luck', 'more': 1}", {"error": "no luck", "more": 1}),
        ):
            self.assertEqual(client.run({"what": what}), (200, expected))

    def test_deep_nesting_passes_both_ways_and_leaves_the_limit_of_user_code(self):
        client = self.start_with("import sys\ndef main(args):\n    return {'deep': args['deep'], 'limit': sys.getrecursionlimit()}\n")
        # The test's own coder needs room as well.
        self.addCleanup(sys.setrecursionlimit, sys.getrecursionlimit())
        sys.setrecursionlimit(5000)
        deep = []
        for _ in range(990):
            deep = [deep]
        # Counted level by level: Python's own comparison would recurse too deep.
        status, answer = client.run({"deep": deep})
        self.assertEqual((status, answer["limit"]), (200, 1000))
        depth = 0
        nested = answer["deep"]
        while nested:
            nested, depth = nested[0], depth + 1
        self.assertEqual(depth, 990)

    def test_anything_else_is_refused_and_the_action_stays(self):
        client = self.start_with("def main(args):\n    return eval(args['what'])\n")
        for what in ("None", "'text'", "5", "True", "{1}", "main"):
            self.assertEqual(client.run({"what": what}), NOT_A_DICTIONARY)
        self.assertEqual(client.run({"what": "{}"}), (200, {}))

    def test_what_json_cannot_hold_is_an_error_saying_why(self):
        client = self.start_with("def main(args):\n    return {'x': eval(args['what'])}\n")
        for number, what in enumerate(("object()", "float('nan')", "'\\ud800'")):
            status, answer = client.run({"what": what})
            self.assertEqual(status, 502)
            self.assertIn("not valid JSON", answer["error"])
            self.assertIn("Error", self.process.logs(number)[1][-1])

    def test_an_exception_is_an_application_error_with_its_trace_on_stderr(self):
        client = self.start_with("def main(args):\n    if args: raise ValueError('bad ☃')\n    return {}\n")
        self.assertEqual(client.run({"a": 1}), (200, {"error": "bad ☃"}))
        trace = self.process.logs()[1]
        self.assertEqual(trace[0], "Traceback (most recent call last):")
        self.assertRegex(trace[1], r'File ".*/main__.py", line 2, in main')
        self.assertEqual(trace[2].strip(), "if args: raise ValueError('bad ☃')")
        self.assertEqual(trace[-1], "ValueError: bad ☃")
        self.assertEqual(client.run(), (200, {}))

    def test_an_exception_that_cannot_be_shown(self):
        code = "class Odd(Exception):\n    def __str__(self):\n        raise KeyError('x')\ndef main(args):\n    raise Odd()\n"
        self.assertEqual(self.start_with(code).run(), (200, {"error": "Odd"}))

    def test_a_forked_child_that_leaves_main_does_not_serve(self):
        code = """
import os
def main(args):
    child = os.fork()
    if child == 0 and args["how"] == "raise":
        raise ValueError("from the child")
    if child == 0:
        return {"child": True}
    return {"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}
"""
        client = self.start_with(code)
        for run, (how, status) in enumerate((("return", 0), ("raise", 1), ("return", 0))):
            self.assertEqual(client.run({"how": how}), (200, {"status": status}))
            self.process.logs(run)
        self.assertEqual(self.process.stdout.text, SENTINEL * 3)

    def test_the_end_of_the_process_breaks_the_connection(self):
        for code in ("sys.exit(3)", "os._exit(3)", "os.kill(os.getpid(), 9)"):
            with self.subTest(code):
                client = self.start_with("import os, sys\ndef main(args):\n    print('bye')\n    %s\n" % code)
                with self.assertRaises(BROKEN):
                    client.run()
                self.assertNotEqual(self.process.child.wait(20), 0)
                wait_for(lambda: self.process.stdout.text == "bye\n", "the log")


class LogTest(RuntimeTest):
    def test_one_sentinel_line_per_stream_and_run_and_no_empty_lines(self):
        code = """
import os, sys
print("from init")
def main(args):
    sys.stdout.write(args["text"])
    os.write(2, b"raw ")
    print("err ☃", file=sys.stderr)
    return {}
"""
        client = self.start_with(code)
        for text in ("é no newline", "newline\n", ""):
            client.run({"text": text})
        self.process.logs(2)
        self.assertEqual(
            self.process.stdout.text, "from init\né no newline\n%snewline\n%s%s" % (SENTINEL, SENTINEL, SENTINEL)
        )
        self.assertEqual(self.process.stderr.text, ("raw err ☃\n" + SENTINEL) * 3)

    def test_every_layer_of_the_streams_is_flushed(self):
        code = """
import contextlib, io, sys
def main(args):
    sys.stdout.buffer.write(b"buffered")
    sys.stdout.buffer.raw.write(b"raw,")
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)))
    sys.stderr.write("replaced\\n")
    return {"encoding": sys.stdout.encoding, "fileno": sys.stdout.fileno()}
"""
        client = self.start_with(code)
        self.assertEqual(client.run(), (200, {"encoding": "utf-8", "fileno": 1}))
        self.assertEqual(self.process.logs(), (["raw,buffered"], ["replaced"]))

    def test_closed_streams_still_end_in_a_sentinel(self):
        client = self.start_with("import sys\ndef main(args):\n    print('x')\n    sys.stdout.close()\n    return {}\n")
        self.assertEqual(client.run(), (200, {}))
        self.assertEqual(self.process.logs(), (["x"], []))

    def test_streams_of_the_users_own_may_lack_what_files_have(self):
        code = """
import sys
class Tee:
    def __init__(self, to):
        self.to = to
    def write(self, text):
        self.to.write(text)
    def flush(self):
        raise KeyError("flush")
class Bare:
    def write(self, text):
        sys.__stderr__.write(text)
sys.stdout, sys.stderr = Tee(sys.stdout), Bare()
def main(args):
    print("out")
    print("err", file=sys.stderr)
    return {}
"""
        client = self.start_with(code)
        for run in range(2):
            self.assertEqual(client.run(), (200, {}))
            self.assertEqual(self.process.logs(run), (["out"], ["err"]))

    def test_a_detached_stream_still_ends_in_a_sentinel(self):
        code = """
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")
def main(args):
    print("x")
    return {}
"""
        client = self.start_with(code)
        for run in range(2):
            self.assertEqual(client.run(), (200, {}))
            self.assertEqual(self.process.logs(run), (["x"], []))

    def test_descriptors_that_user_code_closes_or_takes_still_end_in_a_sentinel(self):
        code = """
import os
def main(args):
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    os.close(2)
    return {}
"""
        client = self.start_with(code)
        for run in range(2):
            self.assertEqual(client.run(), (200, {}))
            self.assertEqual(self.process.logs(run), ([], []))

    def test_megabytes_of_logs_are_in_the_pipe_before_the_answer_also_with_a_slow_reader(self):
        code = """
import sys
def main(args):
    open(args["started"], "w").close()
    for n in range(args["lines"]):
        print("%99d" % n)
        print("%99d" % n, file=sys.stderr)
    return {}
"""
        client = self.start_with(code)
        other = self.connect()
        for output in (self.process.stdout, self.process.stderr):
            output.gate.clear()
        started = self.process.socket_path + ".started"
        client._connection.request("POST", "/run", '{"value":{"lines":30000,"started":"%s"}}' % started)
        wait_for(lambda: os.path.exists(started), "the run to start")
        # Both pipes are full long before 3 MB are written: the run cannot end until someone reads.
        for _ in range(20):
            self.assertEqual(other.run()[0], 403)
        for output in (self.process.stdout, self.process.stderr):
            output.gate.set()
        self.assertEqual(client._connection.getresponse().read(), b"{}")
        for lines in self.process.logs():
            self.assertEqual([int(line) for line in lines], list(range(30000)))


if __name__ == "__main__":
    unittest.main()
