"""Get or compute, with one computation at a time for a key, whoever asks: within a process and across containers.

Who finds nothing takes a lock in the cache, a key with an owner and an expiry; who does not get it looks again, less
and less often, until the value is there, the lock is free (its owner failed or died) or the patience ends.
"""

import os
import random
import sys
import threading
import time

from ow_cache_errors import CacheError, checked

LOCK_SUFFIX = b":ow-lock"
# In seconds.
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.2


class Wanted:
    """A value: its key, the words after it in SET, and how it comes to be. Times in seconds."""

    def __init__(self, key, store, compute, lock_ttl, max_wait):
        self.key = key
        self.store = store
        self.compute = compute
        self.lock = key + LOCK_SUFFIX
        self.lock_milliseconds = max(1, round(lock_ttl * 1000))
        self.max_wait = max_wait
        self.owner = os.urandom(16).hex().encode("ascii")


class _Flight:
    def __init__(self):
        self.landed = threading.Event()
        self.text = None
        self.error = None


class Flights:
    """`patience` tells how many seconds a waiter has at most."""

    def __init__(self, pool, patience):
        self._pool = pool
        self._patience = patience
        self._underway = {}

    def join(self, wanted):
        """The bytes at the key, or what `compute` returned, which is stored.

        Threads of this process share one flight, and its failure.
        """
        # A fork does not go on with what threads of its parent do.
        name = (os.getpid(), wanted.key)
        own = _Flight()
        flight = self._underway.setdefault(name, own)
        if flight is not own:
            return self._share(flight, wanted)
        try:
            own.text = self._fly(wanted)
            return own.text
        except Exception as error:
            own.error = error
            raise
        finally:
            del self._underway[name]
            own.landed.set()

    def _share(self, flight, wanted):
        flight.landed.wait(min(wanted.max_wait, self._patience()))
        if flight.error is not None:
            raise flight.error
        return flight.text if flight.text is not None else self._compute_and_store(wanted)

    def _fly(self, wanted):
        found = self._pool.one("GET", wanted.key)
        if found is not None:
            return found
        end = time.monotonic() + min(wanted.max_wait, self._patience())
        longest = FIRST_PAUSE
        while True:
            owned, value = self._attempt(wanted)
            if value is not None:
                if owned:
                    self._release(wanted)
                return value
            if owned:
                return self._compute_owned(wanted)
            left = end - time.monotonic()
            if left <= 0:
                return self._compute_and_store(wanted)
            time.sleep(min(left, longest * random.uniform(0.5, 1)))
            longest = min(longest * 2, LONGEST_PAUSE)

    def _attempt(self, wanted):
        # The value is read behind the lock: who gets it just after another gave it back must see what that one stored.
        taken, value = self._pool.send(
            [
                ("SET", wanted.lock, wanted.owner, "NX", "PX", wanted.lock_milliseconds),
                ("GET", wanted.key),
            ]
        )
        return checked(taken) is not None, checked(value)

    def _compute_owned(self, wanted):
        try:
            return self._compute_and_store(wanted)
        finally:
            self._release(wanted)

    def _compute_and_store(self, wanted):
        """A value that cannot be stored is a value all the same; that it was not stored is in the action's log."""
        text = wanted.compute()
        try:
            self._pool.one("SET", wanted.key, text, *wanted.store)
        except CacheError as error:
            key = wanted.key.decode("utf-8", "replace")
            print("cache: the computed value of %r was not stored: %s" % (key, error), file=sys.stderr)
        return text

    def _release(self, wanted):
        """Gives the lock back if it is still ours. Who cannot leaves it to its expiry."""

        def talk(send):
            holder = send([("WATCH", wanted.lock), ("GET", wanted.lock)])[1]
            ours = holder == wanted.owner
            send([("MULTI",), ("DEL", wanted.lock), ("EXEC",)] if ours else [("UNWATCH",)])

        try:
            self._pool.converse(talk)
        except CacheError:
            pass
