"""What can go wrong with the cache, as exceptions that an action can tell apart."""

import re


class CacheError(Exception):
    """Any failure of the cache; `code` is the first word of the server's error, None where there was none."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


class CacheUnavailable(CacheError):
    """There is no cache here, or it is away."""


class CacheRefused(CacheError):
    """The token is not valid, or does not allow this."""


class CacheFull(CacheError):
    """Over the quota."""


class CacheTimeout(CacheError):
    """No reply in time: whether the command was done is not known."""


class ReplyProtocolError(CacheError):
    """Bytes that are no reply: nothing that follows on the connection can be understood."""


_KINDS = (
    (re.compile(r"(NOAUTH|WRONGPASS|NOPERM)\b"), CacheRefused),
    (re.compile(r"OOM\b|ERR quota exceeded"), CacheFull),
    (re.compile(r"ERR the cache's server did not answer in time"), CacheTimeout),
    (
        re.compile(
            r"ERR (the cache's server is away|the connection to the cache's server broke|the cache ends|"
            r"too many connections)"
        ),
        CacheUnavailable,
    ),
    (re.compile(r"(LOADING|MASTERDOWN|CLUSTERDOWN)\b"), CacheUnavailable),
)
_CODE = re.compile("[A-Z]+")


def from_reply(text):
    """The exception for an error reply, `text` being what follows its `-`."""
    code = _CODE.match(text)
    for pattern, kind in _KINDS:
        if pattern.match(text):
            break
    else:
        kind = CacheError
    return kind(text, code and code.group())


def checked(reply):
    """An error reply raised, any other returned."""
    if isinstance(reply, CacheError):
        raise reply
    return reply
