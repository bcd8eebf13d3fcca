# Whatever this process can read is searched for secrets. They are looked for one more than they are, byte by byte, so that what is
# looked for is not found in the search itself.
import glob
import re
import stat

ONE_MORE = bytes((byte + 1) % 256 for byte in range(256))
CHUNK = 4 << 20


def main(args):
    token = os.environ["__OW_CACHE_TOKEN"].encode()
    needles = {name: bytes.fromhex(text) for name, text in args["needles"].items()}
    needles["token"] = token.translate(ONE_MORE)
    with open("/tmp/own", "wb") as file:
        file.write(token)
    found, searched = {name: [] for name in needles}, {}
    overlap = max(map(len, needles.values()))

    def search(kind, place, data):
        searched[kind] = searched.get(kind, 0) + len(data)
        moved = data.translate(ONE_MORE)
        for name, needle in needles.items():
            if needle in moved:
                found[name].append("%s %s" % (kind, place))

    def search_file(kind, path, start=0, end=None):
        try:
            with open(path, "rb", buffering=0) as file:
                while end is None or start < end:
                    file.seek(start)
                    size = CHUNK if end is None else min(CHUNK, end - start)
                    data = file.read(size)
                    search(kind, path, data)
                    if len(data) < CHUNK:
                        return
                    start += CHUNK - overlap
        except (OSError, ValueError, OverflowError):
            pass

    search("environment", "os.environ", "\0".join("%s=%s" % item for item in os.environ.items()).encode("latin-1", "replace"))
    processes = [path for path in glob.glob("/proc/[0-9]*")]
    for process in processes:
        for name in ("environ", "cmdline", "comm", "status", "mountinfo"):
            search_file("process", process + "/" + name)
        for fd in glob.glob(process + "/fd/*"):
            try:
                if stat.S_ISREG(os.stat(fd).st_mode):
                    search_file("descriptor", fd)
            except OSError:
                pass
        try:
            with open(process + "/maps") as file:
                regions = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) r", file.read(), re.M)
        except OSError:
            regions = []
        for start, end in regions:
            search_file("memory", process + "/mem", int(start, 16), int(end, 16))
    for root, folders, files in os.walk("/"):
        if root == "/":
            folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
        for name in files:
            path = os.path.join(root, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            # What is older than the secret cannot have it.
            if stat.S_ISREG(status.st_mode) and max(status.st_mtime, status.st_ctime) >= args["since"]:
                search_file("file", path)
    return {"found": {name: sorted(set(places)) for name, places in found.items()}, "searched": searched, "processes": processes}
