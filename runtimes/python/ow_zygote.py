"""The zygote: a warm interpreter that is forked into a sandbox for each action.

It is started with `OW_ZYGOTE` naming a shared library that makes the sandboxes (`invoker/sandbox/zygote` in the sources);
what the library and the server say to each other is theirs. This module prepares the interpreter and gives each fork
what it must not share with the others.

All forks of one zygote share its address layout and its hash seed; `random` is seeded anew in each, and what asks the
kernel (`secrets`, `uuid`, `ssl`) never was shared.
"""

import ctypes
import gc
import importlib
import json
import os
import sys

# What actions import most; each import here is shared by all forks instead of paid for by each.
_PRELOADED = (
    "base64 collections contextlib datetime functools hashlib hmac itertools logging math random re string "
    "subprocess tarfile tempfile time traceback typing urllib.parse urllib.request uuid zipfile ow_cache"
).split()


def fork_on_request(library):
    """Forks for as long as the server asks. Returns True in each fork, in its sandbox, and False in the zygote."""
    # Loading with PyDLL keeps the interpreter's lock during the call, as its fork hooks need it.
    serve = ctypes.PyDLL(library).oxwhisk_zygote_serve
    serve.restype = ctypes.c_char_p
    hooks = (ctypes.pythonapi.PyOS_BeforeFork, ctypes.pythonapi.PyOS_AfterFork_Parent,
             ctypes.pythonapi.PyOS_AfterFork_Child)
    _preload()
    environment = serve(*(ctypes.cast(hook, ctypes.c_void_p) for hook in hooks))
    if environment is None:
        return False
    _part_from_the_others(json.loads(environment))
    return True


def _preload():
    """Starts no thread and opens no socket: a fork would be without the one and share the other."""
    for name in _PRELOADED:
        importlib.import_module(name)
    # Keeps the collector from writing to, and so unsharing, the pages of what was imported.
    gc.collect()
    gc.freeze()


def _part_from_the_others(environment):
    os.environ.clear()
    os.environ.update(entry.split("=", 1) for entry in environment)
    sys.modules["random"].seed()
