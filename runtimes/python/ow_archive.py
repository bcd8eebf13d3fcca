"""Unpacks zip and tar.gz archives with links and modes, and refuses names that lead outside."""

import io
import os
import stat


class InvalidArchive(Exception):
    """What is wrong with an archive."""


def _path_inside(root, name):
    full = os.path.normpath(os.path.join(root, name))
    if os.path.isabs(name) or "\0" in name or (full != root and not full.startswith(root + os.sep)):
        raise InvalidArchive("'%s' lies outside of the archive" % name)
    return full


def _zip_entries(data):
    """Yields `(name, kind, mode, content)`; the content of a link is its target."""
    import zipfile  # imported where used, as below: most actions are a single source

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                yield info.filename, "directory", mode, b""
            elif stat.S_ISLNK(mode):
                yield info.filename, "link", mode, archive.read(info).decode("utf-8")
            else:
                yield info.filename, "file", mode, archive.read(info)


def _tar_entries(data):
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive.getmembers():
            if member.isdir():
                yield member.name, "directory", member.mode, b""
            elif member.issym():
                yield member.name, "link", member.mode, member.linkname
            elif member.isfile() or member.islnk():
                yield member.name, "file", member.mode, archive.extractfile(member).read()
            else:
                raise InvalidArchive("'%s' has an unsupported tar type" % member.name)


def _write(root, entries):
    links = {}
    for name, kind, mode, content in entries:
        full = _path_inside(root, name)
        if kind == "directory":
            os.makedirs(full, exist_ok=True)
        elif kind == "link":
            links[full] = content
        else:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as file:
                file.write(content)
            os.chmod(full, (stat.S_IMODE(mode) & 0o777 or 0o644) | 0o600)
    # Last, so that nothing is ever written through one. Where it points to is the action's own business: a virtual
    # environment links to the interpreter of its image, and what cannot be reached cannot be read through a link either.
    for full, target in links.items():
        folder = os.path.dirname(full)
        while folder.startswith(root + os.sep):
            if folder in links:
                raise InvalidArchive("'%s' lies below a link" % os.path.relpath(full, root))
            folder = os.path.dirname(folder)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.symlink(target, full)


def unpack(data, root):
    """Unpacks `data`, told apart by its first bytes, into `root`, an empty real path. Raises `InvalidArchive`."""
    try:
        if data[:2] == b"PK":
            _write(root, _zip_entries(data))
        elif data[:2] == b"\x1f\x8b":
            _write(root, _tar_entries(data))
        else:
            raise InvalidArchive("it is neither zip nor tar.gz")
    except InvalidArchive:
        raise
    except Exception as error:  # the readers raise whatever the damage leads to
        raise InvalidArchive("the action archive cannot be unpacked: %s" % error) from error
