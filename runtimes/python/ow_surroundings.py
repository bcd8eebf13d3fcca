"""What an action sees of its process: the environment and the two log streams."""

import io
import json
import os
import sys

SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"
# Events of the interpreter after which a child process may read the C library's environment.
_CHILD_EVENTS = frozenset(
    ("subprocess.Popen", "os.posix_spawn", "os.spawn", "os.system", "os.exec", "os.fork", "os.forkpty", "pty.spawn")
)
# What /init says of these is about the activation that the process is made for, and no other may have it.
_OF_ONE_ACTIVATION = ("__OW_CACHE_URL", "__OW_CACHE_TOKEN", "__OW_CACHE_ERROR")


def as_text(value):
    """Strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


class ActionEnvironment:
    """Keeps `os.environ` for an action.

    The C library never frees a value that `setenv` replaced, so at thousands of runs a second new `__OW_` values
    would leak megabytes a second. `os.environ` therefore gets them at once, the C library's environment only
    when a child process is about to inherit it.
    """

    def __init__(self):
        self._initial = {}
        self._run_names = []
        self._stale = set()
        self._data = os.environ._data
        self._watching = False

    def apply_init(self, env):
        """Sets the `env` of /init. Raises ValueError for a name no environment can hold."""
        for name, value in env.items():
            if not name or "=" in name or "\0" in name:
                raise ValueError("the init parameter %r cannot be the name of an environment variable" % name)
            os.environ[name] = as_text(value)
            if name in _OF_ONE_ACTIVATION:
                self._run_names.append(os.fsencode(name))
            else:
                self._initial[name] = os.environ[name]

    def apply_run(self, message):
        """Sets `__OW_<MEMBER>` for each member of a /run body but `value`; what only the previous run had goes."""
        data = self._data
        names = []
        for key, value in message.items():
            if key == "value" or value is None:
                continue
            name = os.fsencode("__OW_" + key.upper())
            data[name] = os.fsencode(as_text(value))
            names.append(name)
        for name in self._run_names:
            if name not in names:
                self._stale.add(name)
                self._restore(name)
        self._run_names = names
        self._stale.update(names)
        if not self._watching:
            self._watch()

    def _restore(self, name):
        initial = self._initial.get(os.fsdecode(name))
        if initial is None:
            self._data.pop(name, None)
        else:
            self._data[name] = os.fsencode(initial)

    def _watch(self):
        sys.addaudithook(self._before_child)
        # The "spawn" and "forkserver" ways of multiprocessing start children past the audit events.
        import _posixsubprocess

        start = _posixsubprocess.fork_exec

        def fork_exec(*args):
            self.publish()
            return start(*args)

        _posixsubprocess.fork_exec = fork_exec
        self._watching = True

    def _before_child(self, event, _):
        if event in _CHILD_EVENTS and self._stale:
            self.publish()

    def publish(self):
        """Brings the C library's environment up to date."""
        while self._stale:
            name = self._stale.pop()
            value = self._data.get(name)
            if value is None:
                os.unsetenv(name)
            else:
                os.putenv(name, value)


class _LogFile(io.FileIO):
    """A log pipe that knows whether its last byte ended a line."""

    def __init__(self, fd):
        super().__init__(fd, "wb", closefd=False)
        self.name = {1: "<stdout>", 2: "<stderr>"}.get(fd, fd)
        self.ends_line = True

    def write(self, data):
        written = super().write(data)
        if written:
            self.ends_line = bytes(memoryview(data).cast("B")[written - 1 : written]) == b"\n"
        return written


class LogStream:
    """One of the two streams: the text layer user code writes to, and the sentinel."""

    def __init__(self, fd):
        os.set_blocking(fd, True)
        # User code may close the descriptor or put another file in its place; the sentinel still belongs here.
        self._own = os.dup(fd)
        self._file = _LogFile(fd)
        # By the line, so that a run that is killed leaves its log; UTF-8 whatever the locale of the sandbox.
        self.text = io.TextIOWrapper(
            io.BufferedWriter(self._file), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        self.text.mode = "w"

    def write_sentinel(self):
        """Flushes what user code wrote and ends the activation's log, on a line of its own."""
        try:
            if not self.text.closed:
                self.text.flush()
        except (ValueError, OSError):
            pass  # user code detached the text layer, or closed the descriptor below it: nothing of it is left to write
        pending = SENTINEL if self._file.ends_line else b"\n" + SENTINEL
        while pending:
            pending = pending[os.write(self._own, pending) :]
        self._file.ends_line = True


def _flush_foreign(stream):
    """Flushes an object that user code uses as a stream. Many such have only a `write`, and some a `flush` that fails."""
    flush = getattr(stream, "flush", None)
    if flush is None or getattr(stream, "closed", False):
        return
    try:
        flush()
    except Exception:
        pass  # the result is worth more than the end of a log that its own author lost


class ActionLogs:
    """Both log streams of the process."""

    @classmethod
    def install(cls):
        """Puts our streams in the place of `sys.stdout` and `sys.stderr`."""
        logs = cls(LogStream(1), LogStream(2))
        sys.stdout = sys.__stdout__ = logs._stdout.text
        sys.stderr = sys.__stderr__ = logs._stderr.text
        return logs

    def __init__(self, stdout, stderr):
        self._stdout = stdout
        self._stderr = stderr

    def end_activation(self):
        """To be called after everything the activation wrote and before its answer is sent."""
        own = (self._stdout.text, self._stderr.text)
        for present in (sys.stdout, sys.stderr):
            # User code may have put a stream of its own, with a buffer, on top of ours.
            if not any(present is stream for stream in own):
                _flush_foreign(present)
        self._stdout.write_sentinel()
        self._stderr.write_sentinel()
