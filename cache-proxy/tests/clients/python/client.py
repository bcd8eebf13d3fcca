"""The package `redis` from PyPI, as people use it, against the cache."""

import os
import socket
import threading

import redis

ADDRESS = os.environ["CACHE_ADDRESS"]


class Control:
    """What the test does for the activations of this container: they begin, with a token, and end."""

    def __init__(self):
        host, port = os.environ["CACHE_CONTROL"].split(":")
        self.file = socket.create_connection((host, int(port))).makefile("rw")

    def ask(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        return self.file.readline().strip()

    def begin(self):
        return self.ask("begin")

    def end(self):
        return self.ask("end")


def url(token, protocol):
    return f"redis://:{token}@{ADDRESS}?protocol={protocol}"


def fails(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(f"{call} has not failed")


def features(token, protocol):
    client = redis.Redis.from_url(url(token, protocol), decode_responses=True)
    client.flushdb()
    assert client.set("key", "value", ex=60)
    assert client.get("key") == "value" and client.get("none") is None
    client.hset("hash", mapping={"a": "1", "b": "2"})
    assert client.hgetall("hash") == {"a": "1", "b": "2"}
    client.zadd("sorted", {"x": 1.5})
    assert [list(item) for item in client.zrange("sorted", 0, -1, withscores=True)] == [["x", 1.5]]
    pipe = client.pipeline(transaction=False)
    for _ in range(1000):
        pipe.incr("n")
    assert pipe.execute()[999] == 1000
    pipe = client.pipeline()
    assert pipe.set("m", "1").incr("m").get("m").execute() == [True, 2, "2"]

    with client.pipeline() as pipe:
        pipe.watch("m")
        assert pipe.get("m") == "2"
        pipe.multi()
        pipe.set("m", "mine")
        client.set("m", "changed")
        fails(redis.WatchError, pipe.execute)

    def change(pipe):
        pipe.multi()
        pipe.set("m", "3")

    assert client.transaction(change, "m") == [True]
    assert client.get("m") == "3"

    assert sorted(client.scan_iter("*", count=10)) == ["hash", "key", "m", "n", "sorted"]
    assert "not available in a cache" in fails(redis.ResponseError, client.keys, "*")
    fails(redis.ResponseError, client.eval, "return 1", 0)
    assert client.dbsize() == 5 and client.info()["loading"] == 0

    popped = []
    waiting = threading.Thread(target=lambda: popped.append(client.blpop("list", timeout=0)))
    waiting.start()
    client.rpush("list", "x")
    waiting.join()
    assert list(popped[0]) == ["list", "x"], popped

    listener = client.pubsub()
    listener.subscribe("channel")
    listener.psubscribe("other*")
    kinds = [listener.get_message(timeout=30)["type"] for _ in range(2)]
    assert kinds == ["subscribe", "psubscribe"], kinds
    assert client.publish("channel", "hello") == 1
    message = listener.get_message(timeout=30)
    assert (message["channel"], message["data"]) == ("channel", "hello"), message
    listener.unsubscribe()
    listener.punsubscribe()
    listener.close()

    client.xadd("stream", {"field": "value"})
    assert "value" in str(client.xread({"stream": "0"}, count=1))
    client.close()


def warm(control, protocol):
    client = redis.Redis.from_url(
        url(control.begin(), protocol), decode_responses=True, single_connection_client=True
    )
    number = client.client_id()
    for round_ in range(1, 301):
        assert client.incr("rounds") == round_
        assert client.pipeline().set("m", round_).get("m").execute() == [True, str(round_)]
        control.end()
        control.begin()
    assert client.client_id() == number, "it has connected once"
    client.delete("rounds")
    control.end()
    # This client takes a refusal for want of an activation for a reason to connect again, with a token that is over.
    fails(redis.AuthenticationError, client.get, "rounds")
    client.close()
    client = redis.Redis.from_url(url(control.begin(), protocol))
    assert client.get("rounds") is None
    control.end()
    client.close()


def main():
    control = Control()
    for protocol in (2, 3):
        features(control.begin(), protocol)
        control.end()
        warm(control, protocol)


main()
