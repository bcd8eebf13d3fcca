"""The /init and /run protocol, and loading and calling the user's code."""

import binascii
import json
import os
import sys
import threading

import ow_archive

_DICTIONARY_ERROR = "The action did not return a dictionary or array."
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# The platform takes 1,000 levels of JSON; each may cost the decoder more than one frame.
_JSON_DEPTH = 4000


def _failure(status, message):
    return status, json.dumps({"error": message}).encode("utf-8")


_INITIALIZED = (200, b'{"ok":true}')
_MISSING_CODE = _failure(403, "Missing main/no code to execute.")
_INITIALIZED_BEFORE = _failure(403, "Cannot initialize the action more than once.")
_NO_ACTION = _failure(500, "no action defined yet")
_NOT_FOUND = _failure(404, "there is only POST /init and POST /run")
_VALUE_NOT_OBJECT = _failure(403, "the value of the run request is not an object or array")


class ActionService:
    """One action from /init to the end of the process.

    `claim` is called by whichever thread has a request; exactly one may then `handle` it, in the main thread.
    """

    def __init__(self, environment, logs):
        self._environment = environment
        self._logs = logs
        self._main = None
        self._init_failed = False
        self._busy = threading.Lock()
        self._process = os.getpid()

    def claim(self):
        """Takes the right to run; False while somebody has it."""
        return self._busy.acquire(blocking=False)

    def refuse(self, request):
        """The answer `(status, body)` to a request that came while the action is at work."""
        if request.path == "/init" and (self._main is not None or self._init_failed):
            return _INITIALIZED_BEFORE
        status = "starting" if self._main is None else "running"
        return _failure(403, "System not ready, status is %s." % status)

    def handle(self, request):
        """Answers one request with `(status, body)` and gives the claim back."""
        try:
            return self._dispatch(request)
        finally:
            self._busy.release()

    def _dispatch(self, request):
        if request.method != "POST" or request.path not in ("/init", "/run"):
            return _NOT_FOUND
        try:
            message = _with_room(json.loads, request.body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            return _failure(400, "Error unmarshaling request: %s" % error)
        if not isinstance(message, dict):
            return _failure(400, "Error unmarshaling request: it is not an object")
        return self._run(message) if request.path == "/run" else self._init(message.get("value"))

    def _init(self, value):
        if self._main is not None or self._init_failed:
            return _INITIALIZED_BEFORE
        value = value if isinstance(value, dict) else {}
        code = value.get("code")
        if not isinstance(code, str) or not code:
            return _MISSING_CODE
        main = value.get("main") or "main"
        try:
            self._environment.apply_init(value.get("env") or {})
            self._main = load_action(code, main, bool(value.get("binary")))
        except Exception as error:
            self._init_failed = True
            _print_trace(error)
            self._logs.end_activation()
            return _failure(502, "Initialization has failed due to: %s" % _summary(error))
        return _INITIALIZED

    def _run(self, message):
        if self._main is None:
            return _NO_ACTION
        value = message.get("value")
        if not isinstance(value, (dict, list)):
            return _VALUE_NOT_OBJECT
        self._environment.apply_run(message)
        answer = self._invoke(value)
        self._logs.end_activation()
        return answer

    def _invoke(self, value):
        try:
            result = self._main(value)
            self._end_child(0)
        except Exception as error:
            _print_trace(error)
            self._end_child(1)
            return 200, _ENCODER.encode({"error": _text(error)}).encode("utf-8", "backslashreplace")
        if not isinstance(result, (dict, list, tuple)):
            return _failure(502, _DICTIONARY_ERROR)
        try:
            return 200, _with_room(_ENCODER.encode, result).encode("utf-8")
        except Exception as error:
            _print_trace(error)
            return _failure(502, "The action returned a value that is not valid JSON: %s" % error)

    def _end_child(self, status):
        """Ends a process that user code forked and that came out of `main`: there is one server for a connection."""
        if os.getpid() != self._process:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(status)


def _with_room(function, value):
    """Calls `function` with room for JSON as deep as the platform takes; user code keeps its own recursion limit."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _JSON_DEPTH)
    try:
        return function(value)
    finally:
        sys.setrecursionlimit(limit)


def _print_trace(error):
    """The trace on stderr, from the user's first frame on."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((_OWN_FILES, "<frozen importlib")):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


_OWN_FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ow_")


def _text(error):
    try:
        return str(error)
    except Exception:  # a __str__ of the user's
        return type(error).__name__


def _summary(error):
    import traceback

    return "".join(traceback.format_exception_only(type(error), error)).strip()


class InvalidAction(Exception):
    """What is wrong with the code as a whole."""


def load_action(code, main, binary):
    """Loads the action into a fresh folder, the new current directory, and returns the function `main`.

    As in OpenWhisk, `__main__.py` becomes the module `main__`: it is imported, not executed as a script, so its
    `if __name__ == "__main__"` part does not run.
    """
    folder = _new_folder()
    os.chdir(folder)
    source = os.path.join(folder, "main__.py")
    if binary:
        _unpack(code, folder, source)
    else:
        with open(source, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(code)
    sys.path.insert(0, folder)
    if os.path.isdir(os.path.join(folder, "virtualenv")):
        _activate(os.path.join(folder, "virtualenv"))

    entry = __import__("main__")
    for name in main.split("."):
        entry = getattr(entry, name, None)
    if not callable(entry):
        raise InvalidAction("the action has no function '%s'" % main)
    return entry


# `tempfile.mkdtemp` without the milliseconds its import takes off a cold start.
def _new_folder():
    name = "ow-action-" + os.urandom(8).hex()
    folder = os.path.join(os.path.realpath(os.environ.get("TMPDIR") or "/tmp"), name)
    os.mkdir(folder, 0o700)
    return folder


def _unpack(code, folder, source):
    ow_archive.unpack(binascii.a2b_base64(code), folder)
    script = os.path.join(folder, "__main__.py")
    if os.path.isfile(script):
        os.replace(script, source)
    if not os.path.isfile(source):
        raise InvalidAction("Zip file does not include mandatory files: __main__.py")


def _activate(virtualenv):
    """Makes the packages of the archive's virtual environment importable."""
    import glob
    import site

    script = os.path.join(virtualenv, "bin", "activate_this.py")
    if os.path.isfile(script):
        with open(script, encoding="utf-8") as file:
            exec(compile(file.read(), script, "exec"), {"__file__": script, "__name__": "__main__"})
    own = "python%d.%d" % sys.version_info[:2]
    folders = glob.glob(os.path.join(virtualenv, "lib", "python*", "site-packages"))
    matching = [folder for folder in folders if os.path.basename(os.path.dirname(folder)) == own]
    for packages in matching or folders:
        site.addsitedir(packages)
    # The archive's packages go before the interpreter's own, as in an activated environment.
    added = [path for path in sys.path if path.startswith(virtualenv + os.sep)]
    sys.path[1:] = added + [path for path in sys.path[1:] if path not in added]
