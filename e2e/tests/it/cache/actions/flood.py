# Takes as much as it can, and keeps it until it is told to go.
import resource
import time

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def connections(address, count):
    """Of processes of its own, since one may not have so many files."""
    kept = []
    for _ in range(count):
        try:
            kept.append(socket.create_connection(address, 20))
        except OSError:
            pass
    return kept


def fork(work):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        kept = work()
        os.write(writer, b"%d\n" % len(kept))
        time.sleep(600)
        os._exit(0)
    return child, reader


def strangers(address):
    return [fork(lambda: connections(address, 900)) for _ in range(12)]


def announced(token):
    """Requests of a gigabyte, and as much of allowed ones as is taken."""
    kept = []
    piece = b"x" * (1 << 20)
    for number in range(60):
        one = Resp(token)
        size = 1 << 30 if number % 2 else 15 << 20
        try:
            one.socket.settimeout(2)
            one.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size)
            for _ in range(14):
                one.send(piece)
        except OSError:
            pass
        kept.append(one)
    return kept


def unread(token):
    kept = []
    one = Resp(token)
    one.call("SET", "large", "x" * (1 << 20))
    for _ in range(60):
        one = Resp(token)
        try:
            one.socket.settimeout(2)
            one.send(Resp.request("GET", "large") * 30)
        except OSError:
            pass
        kept.append(one)
    return kept


def main(args):
    token = os.environ["__OW_CACHE_TOKEN"]
    control = Resp(token)
    address = control.socket.getpeername()
    children, kept = [], []
    if args["how"] == "strangers":
        children = strangers(address)
        for _, reader in children:
            os.read(reader, 10)
    elif args["how"] == "announced":
        kept = announced(token)
    else:
        kept = unread(token)
    # For a moment the server may be full of replies.
    while control.call("SET", "flooded", "1") != "OK":
        time.sleep(0.05)
    told = "-CLOSED"
    while (told := control.call("GET", "go")) is None:
        time.sleep(0.05)
    for child, _ in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
    return {"told": told, "kept": len(kept), "children": len(children)}
