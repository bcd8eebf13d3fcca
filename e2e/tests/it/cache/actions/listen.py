def main(args):
    """All that is published until the end is, whatever it listens to."""
    client = Resp(os.environ["__OW_CACHE_TOKEN"], patience=60)
    for words in (["PSUBSCRIBE", "*"], ["SUBSCRIBE", args["channel"], args["raw"]], ["PSUBSCRIBE", args["raw"] + "*", "?*"]):
        client.send(Resp.request(*words))
        for _ in words[1:]:
            client.read()
    Resp(os.environ["__OW_CACHE_TOKEN"]).call("SET", "listens", "1")
    heard = []
    while True:
        message = client.read()
        heard.append(message)
        if "end" in message or message == "-CLOSED":
            return {"heard": heard}
