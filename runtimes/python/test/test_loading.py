"""Where the code comes from: a single source, zip, tar.gz, virtual environments, and what can be wrong with it."""

import os
import sys
import unittest

from harness import RuntimeTest, make_tar_gz, make_zip

ACTION = {
    "__main__.py": "from helper import name\nfrom package.inner import other\n"
    "def main(args):\n    return {'hello': name + other + open('data.txt').read()}\n",
    "helper.py": "name = 'a'\n",
    "package/__init__.py": "",
    "package/inner.py": "other = 'b'\n",
    "data.txt": "c",
}
PYTHON = "python%d.%d" % sys.version_info[:2]


class SourceTest(RuntimeTest):
    def test_entry_points(self):
        for code, main in (
            ("def main(args):\n    return {'a': 1}", "main"),
            ("niam = lambda args: {'a': 1}", "niam"),
            ("class Api:\n    @staticmethod\n    def get(args):\n        return {'a': 1}", "Api.get"),
        ):
            with self.subTest(main):
                self.assertEqual(self.start_with(code, main=main).run(), (200, {"a": 1}))

    def test_it_is_imported_not_run_as_a_script(self):
        code = "if __name__ == '__main__':\n    raise SystemExit(1)\ndef main(args):\n    return {'name': __name__}\n"
        self.assertEqual(self.start_with(code).run(), (200, {"name": "main__"}))

    def test_the_current_directory_is_its_own_and_writable(self):
        code = "import os\ndef main(args):\n    open('f', 'w').close()\n    return {'here': os.path.exists(os.path.join(os.path.dirname(__file__), 'f'))}\n"
        self.assertEqual(self.start_with(code).run(), (200, {"here": True}))

    def test_the_runtime_is_not_importable_by_its_folder(self):
        code = "import sys\ndef main(args):\n    return {'paths': [p for p in sys.path if p == %r]}\n"
        folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.assertEqual(self.start_with(code % folder).run(), (200, {"paths": []}))


class ArchiveTest(RuntimeTest):
    def check(self, files, expected, main="main"):
        for make in (make_zip, make_tar_gz):
            with self.subTest(make.__name__):
                client = self.start()
                self.assertEqual(client.init_archive(make(files), main=main), (200, {"ok": True}))
                self.assertEqual(client.run(), (200, expected))
                self.assertEqual(self.process.logs()[1], [])

    def test_modules_packages_and_data_beside_it(self):
        self.check(ACTION, {"hello": "abc"})

    def test_links_and_modes(self):
        files = {
            "__main__.py": "import alias, subprocess\ndef main(args):\n"
            "    return {'hello': alias.x + subprocess.check_output(['./bin/tool'], text=True).strip()}\n",
            "real/b.py": "x = 'l'\n",
            "alias.py": ("link", "real/b.py"),
            "bin/tool": ("#!/bin/sh\necho ib\n", 0o755),
        }
        self.check(files, {"hello": "lib"})

    def test_a_virtual_environment(self):
        packages = "virtualenv/lib/%s/site-packages" % PYTHON
        files = {
            "__main__.py": "import dep, nested, os\ndef main(args):\n    return {'dep': dep.name + nested.name, 'active': os.environ['ACTIVATED']}\n",
            packages + "/dep.py": "name = 'ven'\n",
            packages + "/more.pth": "below\n",
            packages + "/below/nested.py": "name = 'v'\n",
            "virtualenv/lib/python2.7/site-packages/dep.py": "name = 'wrong version'\n",
            # As `python -m venv` makes it: the interpreter of another machine, which may not be there.
            "virtualenv/bin/python3": ("link", "/no/such/python3"),
            "virtualenv/bin/activate_this.py": "import os\nos.environ['ACTIVATED'] = os.path.basename(__file__)\n",
        }
        self.check(files, {"dep": "venv", "active": "activate_this.py"})

    def test_its_packages_go_before_the_interpreters_own(self):
        packages = "virtualenv/lib/%s/site-packages" % PYTHON
        files = {
            "__main__.py": "import this_is_shadowed as s, json.tool, colorsys\ndef main(args):\n    return {'s': s.x, 'c': colorsys.x}\n",
            packages + "/this_is_shadowed.py": "x = 'venv'\n",
            packages + "/colorsys.py": "x = 'venv'\n",
            "this_is_shadowed.py": "x = 'beside'\n",
        }
        self.check(files, {"s": "beside", "c": "venv"})


class FailureTest(RuntimeTest):
    def check(self, init, expected, logged=None):
        client = self.start()
        status, answer = init(client)
        self.assertEqual(status, 502)
        self.assertIn(expected, answer["error"])
        self.assertIn(logged or expected, "\n".join(self.process.logs()[1]))
        self.assertEqual(client.run(), (500, {"error": "no action defined yet"}))
        self.assertEqual(client.init("x = 1")[0], 403)

    def test_code(self):
        for code, more, expected, logged in (
            ("def main(args):\n    return {\n", {}, "SyntaxError", 'main__.py", line 2'),
            ("import nothing_like_it", {}, "No module named 'nothing_like_it'", 'main__.py", line 1'),
            ("x = 1\nraise ValueError('early')", {}, "ValueError: early", 'main__.py", line 2'),
            ("def other(args):\n    return {}", {}, "the action has no function 'main'", None),
            ("main = 5", {}, "the action has no function 'main'", None),
            ("def main(args):\n    return {}", {"main": "a.b"}, "the action has no function 'a.b'", None),
        ):
            with self.subTest(expected):
                self.check(lambda client: client.init(code, **more), expected, logged)

    def test_archives(self):
        good = make_zip(ACTION)
        damaged = bytearray(good)
        damaged[60] ^= 0xFF
        for data, expected in (
            (make_zip({"other.py": ""}), "Zip file does not include mandatory files: __main__.py"),
            (bytes(damaged), "the action archive cannot be unpacked"),
            (good[:60], "the action archive cannot be unpacked"),
            (make_tar_gz(ACTION)[:90], "the action archive cannot be unpacked"),
            (b"hello there", "it is neither zip nor tar.gz"),
            (make_zip({"../out.py": ""}), "'../out.py' lies outside of the archive"),
            (make_tar_gz({"/tmp/out.py": ""}), "lies outside of the archive"),
            (make_zip({"a": ("link", ".."), "a/b.py": ""}), "the action archive cannot be unpacked"),
            (make_tar_gz({"a": ("link", ".."), "a/b": ("link", "x")}), "'a/b' lies below a link"),
        ):
            with self.subTest(expected):
                self.check(lambda client: client.init_archive(data), expected)

    def test_exit_while_loading_breaks_the_connection(self):
        client = self.start()
        with self.assertRaises(ConnectionError):
            client.init("import sys\nsys.exit(4)")
        self.assertEqual(self.process.child.wait(20), 4)


if __name__ == "__main__":
    unittest.main()
