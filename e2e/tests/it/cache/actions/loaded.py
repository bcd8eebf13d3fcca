import time

client = Resp(os.environ["__OW_CACHE_TOKEN"])


def main(args):
    return {"login": client.login, "count": client.call("INCR", "n"), "own": "__OW_CACHE_URL" in os.environ}
