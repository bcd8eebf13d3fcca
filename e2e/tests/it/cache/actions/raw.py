import time

kept = {}


def main(args):
    """Sends what it is told: a token, a url, commands, bytes; over a connection that it may keep for later."""
    token = args.get("token", os.environ.get("__OW_CACHE_TOKEN"))
    name = args.get("use")
    client = kept.get(name) or Resp(token, args.get("url"))
    if args.get("keep"):
        kept[args["keep"]] = client
    replies = [client.call(*words) for words in args.get("commands", [])]
    return {"login": getattr(client, "login", None), "replies": replies, "token": os.environ.get("__OW_CACHE_TOKEN")}
