import cache

NAMES = {"getJson": "get_json"}


def main(args):
    """As helper.js: options are a dict at the end."""
    replies = []
    for name, *rest in args["calls"]:
        options = rest.pop() if len(rest) > 1 and isinstance(rest[-1], dict) and "ttl" in rest[-1] else {}
        try:
            if name == "command":
                replies.append(cache.client().command(*rest))
            elif name == "compute":
                replies.append(cache.get_or_compute(rest[0], lambda: rest[1], ttl=60))
            else:
                replies.append(getattr(cache, NAMES.get(name, name))(*rest, **options))
        except Exception as error:
            replies.append("%s: %s" % (type(error).__name__, error))
    return {"replies": replies}
