import time


def main(args):
    """Tells its token by a key, and stays alive until it is told to go."""
    client = Resp(os.environ["__OW_CACHE_TOKEN"])
    client.call("SET", args["tell"], os.environ["__OW_CACHE_TOKEN"])
    while client.call("GET", args["until"]) is None:
        time.sleep(0.02)
    again = Resp(os.environ["__OW_CACHE_TOKEN"])
    return {"login": client.login, "again": again.login}
