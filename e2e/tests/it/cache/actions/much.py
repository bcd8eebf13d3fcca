def main(args):
    """A few bytes for each reply of many."""
    client = Resp(os.environ["__OW_CACHE_TOKEN"], patience=50)
    client.call("SET", "large", "x" * args["bytes"])
    replies = []
    for _ in range(args.get("rounds", 1)):
        client.send(Resp.request("GET", "large") * args["times"])
        replies += [client.read() for _ in range(args["times"])]
    texts = [reply for reply in replies if not reply.startswith("x")]
    return {"replies": len(replies), "errors": sorted(set(texts)), "served": len(replies) - len(texts)}
