"""The cache of the present activation, also importable as `cache`.

    import cache
    cache.set("greeting", {"text": "hello"}, ttl=60)
    cache.get_json("greeting")

The functions of this module are those of one `Cache` that goes by what the present activation has: its connections
outlive activations. Times are in seconds.
"""

import json
import math
import os
import time

from ow_cache_connection import Limits
from ow_cache_errors import (
    CacheError,
    CacheFull,
    CacheRefused,
    CacheTimeout,
    CacheUnavailable,
    checked,
)
from ow_cache_flight import Flights, Wanted
from ow_cache_pool import Access, Pool
from ow_cache_resp import as_bytes, as_text

__all__ = [
    "Cache", "CacheError", "CacheFull", "CacheRefused", "CacheTimeout", "CacheUnavailable", "client", "configure",
    "decrement", "delete", "get", "get_bytes", "get_json", "get_or_compute", "increment", "set",
]  # fmt: skip

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# After these the server talks without being asked, or replies in a way that this client does not read.
_NOT_HERE = ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "HELLO")


def _key(key):
    if isinstance(key, (str, bytes, bytearray, memoryview)):
        return as_bytes(key)
    raise TypeError("a key of the cache is a str or bytes, not %s" % type(key).__name__)


def _seconds(value, name):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("%s is a number of seconds, not %s" % (name, type(value).__name__))
    if not 0 < value < math.inf:
        raise ValueError("%s is a number of seconds above 0, not %r" % (name, value))
    return value


def _expiry(ttl):
    """The words for an expiry, none without one: the cache then gives its own."""
    return () if ttl is None else ("PX", max(1, round(_seconds(ttl, "ttl") * 1000)))


def _value(value):
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return as_bytes(value)
    return _JSON.encode(value)


def _parse(data, key):
    try:
        return json.loads(data.decode("utf-8"))
    except ValueError as error:
        raise CacheError("the value of %r is not JSON" % (key,)) from error


class Cache:
    """A cache at `url` (`redis://host:port`) that `token` opens; without these, that of the present activation.

    Threads may share it. Nothing is connected before the first command.
    """

    def __init__(self, url=None, token=None, **limits):
        self._access = Access(url, token)
        self._limits = Limits(**limits)
        self._pool = Pool(self._access, self._limits)
        self._flights = Flights(self._pool, _patience)
        self._client = None

    def configure(self, **limits):
        """Changes `connect_timeout`, `timeout` (seconds) and `max_reply_bytes` for what comes next."""
        self._limits.change(**limits)

    def get(self, key):
        """The text at `key`, or None."""
        return as_text(self.get_bytes(key))

    def get_bytes(self, key):
        """The bytes at `key`, or None."""
        return self._pool.one("GET", _key(key))

    def get_json(self, key):
        """The value whose JSON is at `key`, or None."""
        data = self.get_bytes(key)
        return None if data is None else _parse(data, key)

    def set(self, key, value, ttl=None):
        """Stores str and bytes as they are, a number as its digits, anything else as JSON."""
        self._pool.one("SET", _key(key), _value(value), *_expiry(ttl))

    def delete(self, *keys):
        """Deletes keys and returns how many there were."""
        return self._pool.one("DEL", *map(_key, keys)) if keys else 0

    def increment(self, key, by=1, ttl=None):
        """Adds to a counter and returns its value; `ttl` counts from the making of the counter."""
        if isinstance(by, bool) or not isinstance(by, int):
            raise TypeError("a counter is changed by an int, not by %r" % (by,))
        add = ("INCRBY", _key(key), by)
        # INCRBY makes a counter without an expiry of ours, and the cache then gives it another: so it is made before.
        make = () if ttl is None else (("SET", _key(key), 0, "NX") + _expiry(ttl),)
        return [checked(reply) for reply in self._pool.send((*make, add))][-1]

    def decrement(self, key, by=1, ttl=None):
        return self.increment(key, -by, ttl)

    def get_or_compute(self, key, compute, ttl=None, lock_ttl=10, max_wait=10):
        """The value whose JSON is at `key`; else that of `compute()`, which is stored.

        One caller computes, whichever thread or container it is in; the others wait for it up to `max_wait` seconds.
        Each gets a value of its own. What takes longer than `lock_ttl` may be computed by several.
        """
        wanted = Wanted(
            _key(key),
            _expiry(ttl),
            lambda: _JSON.encode(compute()).encode("utf-8"),
            _seconds(lock_ttl, "lock_ttl"),
            _seconds(max_wait, "max_wait"),
        )
        return _parse(self._flights.join(wanted), key)

    def client(self, **limits):
        """The plain client of this cache, on connections of its own; `limits` are as for `configure`."""
        if self._client is None:
            own = {name: getattr(self._limits, name) for name in Limits.NAMES}
            self._client = Client(Pool(self._access, Limits(**own)))
        self._client.configure(**limits)
        return self._client

    def close(self):
        """Closes idle connections; the next command opens others."""
        self._pool.close()
        if self._client is not None:
            self._client.close()


class Client:
    """Any command, its reply decoded: str, int, None, lists of such. A command may meet any of its connections.

    What belongs to a connection (WATCH, MULTI) has to be in one `pipeline`, or to be done by a Redis library.
    """

    def __init__(self, pool):
        self._pool = pool

    def configure(self, **limits):
        self._pool.limits.change(**limits)

    def command(self, *command, raw=False):
        """The reply; with `raw`, bytes in place of str. Raises an error reply."""
        return checked(self.pipeline([command], raw=raw)[0])

    def pipeline(self, commands, raw=False):
        """Sends commands at once and returns their replies; that of one which failed is its exception."""
        replies = self._pool.send([_allowed(command) for command in commands])
        return replies if raw else [as_text(reply) for reply in replies]

    def close(self):
        """Closes idle connections; the next command opens others."""
        self._pool.close()


def _allowed(command):
    if command and str(as_text(command[0])).upper() in _NOT_HERE:
        raise TypeError(
            "%s is not for this client: use a Redis library with __OW_CACHE_URL and __OW_CACHE_TOKEN" % command[0]
        )
    return command


def _patience():
    """Half of what the activation has left: who waits in vain must have the time to compute."""
    try:
        deadline = float(os.environ["__OW_DEADLINE"])
    except (KeyError, ValueError):
        return math.inf
    return max(0.0, deadline / 1000 - time.time()) / 2


_present = Cache()
configure = _present.configure
get = _present.get
get_bytes = _present.get_bytes
get_json = _present.get_json
set = _present.set
delete = _present.delete
increment = _present.increment
decrement = _present.decrement
get_or_compute = _present.get_or_compute
client = _present.client
