"""Who keeps connections and shows the token of now over them."""

import os
import threading
import weakref
from collections import deque
from contextlib import contextmanager

from ow_cache_connection import Connection
from ow_cache_errors import CacheError, CacheUnavailable, checked

NO_CACHE = "this action has no cache: give it the annotation cache=true"
# Threads that may talk to the cache at once; more wait.
MAX_CONNECTIONS = 16


class Access:
    """Where the cache is and what opens it; what is not said comes from the environment of the present activation."""

    def __init__(self, url=None, token=None):
        self._url = url
        self._token = token

    def permit(self):
        """`(url, token)` as they are now. Raises `CacheUnavailable` with the reason why there is no cache."""
        if self._url is not None:
            return self._url, self._token
        error = os.environ.get("__OW_CACHE_ERROR")
        if error:
            raise CacheUnavailable("the cache is not available: %s" % error)
        url = os.environ.get("__OW_CACHE_URL")
        if not url:
            raise CacheUnavailable(NO_CACHE)
        return url, os.environ.get("__OW_CACHE_TOKEN") or None


class Pool:
    """Connections that threads use in turn, at most `MAX_CONNECTIONS` of them. Makes none before one is needed."""

    def __init__(self, access, limits):
        self._access = access
        self.limits = limits
        self._part_from_the_parent()
        _POOLS.add(self)

    def _part_from_the_parent(self):
        # A fork has the parent's sockets, whose replies are the parent's, and locks that a thread it lacks may hold.
        for connection in getattr(self, "_idle", ()):
            connection.close()
        self._idle = deque()
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self._process = os.getpid()

    def send(self, commands):
        """Sends `commands` at once and returns their replies, errors among these being values.

        Commands that were refused for want of a login are repeated once, after one: they were not done. Nothing
        else is.
        """
        commands = list(commands)
        if not commands:
            return []
        with self.connection() as connection:
            replies = self._exchange(connection, commands)
            token = self._access.permit()[1]
            if token is None or not all(_needs_login(reply) for reply in replies):
                return replies
            checked(connection.exchange([("AUTH", token)], self.limits)[0])
            connection.token = token
            return connection.exchange(commands, self.limits)

    def one(self, *command):
        """The reply to one command. Raises an error reply."""
        return checked(self.send([command])[0])

    @contextmanager
    def connection(self):
        """A connection for this thread alone."""
        if not self._free.acquire(timeout=self.limits.timeout):
            raise CacheUnavailable("%d threads use the cache, and no more may" % MAX_CONNECTIONS)
        try:
            connection = self._ready()
            try:
                yield connection
            finally:
                if connection.usable and os.getpid() == self._process:
                    self._idle.append(connection)
        finally:
            self._free.release()

    def converse(self, talk):
        """Gives `talk` a function like `send` that stays with one connection, as WATCH demands.

        A connection that was left in the middle of a talk is used no more.
        """
        with self.connection() as connection:
            try:
                return talk(lambda commands: self._exchange(connection, commands))
            except BaseException:
                connection.close()
                raise

    def _exchange(self, connection, commands):
        token = self._access.permit()[1]
        return connection.exchange(commands, self.limits, None if token == connection.token else token)

    def _ready(self):
        url = self._access.permit()[0]
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return Connection(url, self.limits)
            if connection.url == url and connection.rested_well():
                return connection
            connection.close()

    def close(self):
        """Closes what is idle; the next command opens another."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return


def _needs_login(reply):
    return isinstance(reply, CacheError) and reply.code == "NOAUTH"


_POOLS = weakref.WeakSet()


def _after_fork():
    for pool in list(_POOLS):
        pool._part_from_the_parent()


os.register_at_fork(after_in_child=_after_fork)
