"""What user code can import of the runtime: `ow_cache`, under the name `cache` too.

The folder of the runtime is not on `sys.path` while user code runs, so that no module of the user's is shadowed. This
finder is asked last, after everything the user brought and everything installed: a `cache` of the user's comes first.
"""

import os
import sys

_HOME = os.path.dirname(os.path.abspath(__file__))
_ALIAS = "cache"
_MODULE = "ow_cache"


class _AliasLoader:
    """Puts the module in the place of one that has the alias for a name."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        sys.modules[module.__name__] = __import__(_MODULE)


class _Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is not None or not (name == _ALIAS or name.startswith(_MODULE)):
            return None
        from importlib.util import spec_from_file_location, spec_from_loader

        if name == _ALIAS:
            return spec_from_loader(name, _AliasLoader())
        file = os.path.join(_HOME, name + ".py")
        return spec_from_file_location(name, file) if os.path.isfile(file) else None


def install():
    sys.meta_path.append(_Finder)
