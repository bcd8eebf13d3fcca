'use strict';
// What can go wrong with the cache, as errors that an action can tell apart.

/** Any failure of the cache; `code` is the first word of the server's error where there was one. */
class CacheError extends Error {
  constructor(message, code) {
    super(message);
    this.name = new.target.name;
    if (code !== undefined) this.code = code;
  }
}

/** There is no cache here, or it is away. */
class CacheUnavailable extends CacheError {}
/** The token is not valid, or does not allow this. */
class CacheRefused extends CacheError {}
/** Over the quota. */
class CacheFull extends CacheError {}
/** No reply in time: whether the command was done is not known. */
class CacheTimeout extends CacheError {}

const KINDS = [
  [/^(NOAUTH|WRONGPASS|NOPERM)\b/, CacheRefused],
  [/^(OOM\b|ERR quota exceeded)/, CacheFull],
  [/^ERR the cache's server did not answer in time/, CacheTimeout],
  [/^ERR (the cache's server is away|the connection to the cache's server broke|the cache ends|too many connections)/, CacheUnavailable],
  [/^(LOADING|MASTERDOWN|CLUSTERDOWN)\b/, CacheUnavailable],
];

/** The error for an error reply, `text` being what follows its `-`. */
function fromReply(text) {
  const [, Kind] = KINDS.find(([pattern]) => pattern.test(text)) ?? [null, CacheError];
  return new Kind(text, /^[A-Z]+/.exec(text)?.[0]);
}

module.exports = { CacheError, CacheUnavailable, CacheRefused, CacheFull, CacheTimeout, fromReply };
