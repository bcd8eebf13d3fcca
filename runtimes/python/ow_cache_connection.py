"""One connection to the cache: commands out, replies back in order, and limits for both."""

import math
import re
import select
import socket
import time

from ow_cache_errors import CacheTimeout, CacheUnavailable
from ow_cache_resp import INCOMPLETE, ReplyReader, encode

RECEIVE_BYTES = 256 * 1024
_ADDRESS = re.compile(r"redis://(?:[^@/]*@)?(?:\[([^\]]+)\]|([^:/\[\]]+))(?::(\d{1,5}))?/?\Z")
# In milliseconds, what `poll` takes at most.
_LONGEST_POLL = 2**31 - 1
_NOT_KNOWN = "whether the command was done is not known"


class Limits:
    """What a connection is allowed: times in seconds, sizes in bytes."""

    NAMES = ("connect_timeout", "timeout", "max_reply_bytes")

    def __init__(self, connect_timeout=1.0, timeout=2.0, max_reply_bytes=64 * 1024 * 1024):
        self.connect_timeout = connect_timeout
        self.timeout = timeout
        self.max_reply_bytes = max_reply_bytes

    def change(self, **limits):
        for name, value in limits.items():
            if name not in self.NAMES:
                raise TypeError("the cache has no setting '%s'" % name)
            if not value > 0:
                raise ValueError("%s must be above 0, not %r" % (name, value))
            setattr(self, name, value)


def _parse(url):
    match = _ADDRESS.match(url)
    port = int(match.group(3) or 6379) if match else 65536
    if port > 65535:
        raise CacheUnavailable("the address of the cache is not of the form redis://host:port")
    return match.group(1) or match.group(2), port


class Connection:
    """To be used by one thread at a time. Raises `CacheUnavailable` where it cannot connect: nothing was sent."""

    def __init__(self, url, limits):
        host, port = _parse(url)
        try:
            self._sock = socket.create_connection((host, port), limits.connect_timeout)
        except OSError as error:
            reason = error.strerror or error or "no connection within %s s" % limits.connect_timeout
            raise CacheUnavailable("the cache at %s:%d cannot be reached: %s" % (host, port, reason)) from error
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setblocking(False)
        self._reader = ReplyReader()
        self.url = url
        self.usable = True
        # The token that was shown last.
        self.token = None

    def rested_well(self):
        """Whether it may be used again. While idle nothing comes but its end, or what nobody asked for."""
        try:
            if self.usable and self._reader.is_empty and not self._poll(select.POLLIN, 0):
                return True
        except (OSError, ValueError):
            pass  # user code closed the descriptor
        self.close()
        return False

    def exchange(self, commands, limits, token=None):
        """Sends `commands` at once and returns their replies; errors among these are values.

        A `token` is shown ahead of them; whether it is good, their replies tell.
        """
        data = encode(commands)
        logins = 0
        if token is not None:
            data = encode([("AUTH", token)]) + data
            logins = 1
            self.token = token
        done = False
        try:
            replies = self._talk(memoryview(data), logins + len(commands), limits)
            done = True
            return replies[logins:]
        except socket.timeout:
            raise CacheTimeout("the cache did not reply within %s s; %s" % (limits.timeout, _NOT_KNOWN)) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            text = "no reply over the connection to the cache, and %s: %s" % (_NOT_KNOWN, reason)
            raise CacheUnavailable(text) from error
        finally:
            # A reply may be under way that would be taken for another's, also after an exception from a signal.
            if not done:
                self.close()

    def _talk(self, unsent, count, limits):
        """Takes replies in while it sends: a server whose replies nobody reads stops reading itself."""
        deadline = time.monotonic() + limits.timeout
        replies = []
        while len(replies) < count:
            reply = self._reader.next(limits.max_reply_bytes)
            if reply is not INCOMPLETE:
                replies.append(reply)
            elif not unsent:
                self._wait(select.POLLIN, deadline)
                self._receive()
            else:
                try:
                    unsent = unsent[self._sock.send(unsent) :]
                except BlockingIOError:
                    if self._wait(select.POLLIN | select.POLLOUT, deadline) & ~select.POLLOUT:
                        self._receive()
        return replies

    def _wait(self, events, deadline):
        # A process that was frozen finds its time over and the reply there: what is there counts, however late.
        left = math.ceil((deadline - time.monotonic()) * 1000)
        happened = self._poll(events, min(max(0, left), _LONGEST_POLL))
        if not happened:
            raise socket.timeout()
        return happened[0][1]

    def _poll(self, events, milliseconds):
        poller = select.poll()
        poller.register(self._sock, events)
        return poller.poll(milliseconds)

    def _receive(self):
        data = self._sock.recv(RECEIVE_BYTES)
        if not data:
            raise OSError("the cache closed it")
        self._reader.push(data)

    def close(self):
        """Closes this process's end only: a socket that a fork inherited is not shut down for its owner."""
        self.usable = False
        try:
            self._sock.close()
        except OSError:
            pass  # user code closed the descriptor
