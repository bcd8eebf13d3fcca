'use strict';
// What an action finds at `context.cache`. Loaded by the first one that asks for it.

const { CacheError, CacheFull, CacheRefused, CacheTimeout, CacheUnavailable } = require('./errors.js');
const { DEFAULT_LIMITS, Pool, Session, changeLimits } = require('./session.js');
const { Flights, checked } = require('./flight.js');
const { PlainClient } = require('./client.js');

const DEFAULT_LOCK_SECONDS = 10;
const DEFAULT_WAIT_SECONDS = 10;
const idle = new Pool();
/** In a process with one activation at a time: its connection outlives them. */
let shared = null;

/** A promise whose failure, if nobody waits for it, does not end the process and all activations in it. */
function lenient(promise) {
  promise.catch(() => {});
  return promise;
}

function checkKey(key) {
  if (typeof key === 'string') return key;
  if (key instanceof Uint8Array) return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  throw new TypeError(`a key of the cache is a string or a Buffer, not ${key === null ? 'null' : typeof key}`);
}

function checkSeconds(value, name) {
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) {
    throw new TypeError(`${name} is a number of seconds above 0, not ${String(value)}`);
  }
  return value;
}

/** The words for an expiry, none without one: the cache then gives its own. */
function expiry(ttl) {
  if (ttl === undefined || ttl === null) return [];
  return ['PX', Math.max(1, Math.round(checkSeconds(ttl, 'ttl') * 1000))];
}

function jsonText(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a value of type ${typeof value} cannot be stored`);
  return text;
}

function valueBytes(value) {
  if (typeof value === 'string') return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} cannot be stored`);
  return typeof value === 'bigint' ? String(value) : jsonText(value);
}

function parseJson(text, key) {
  try {
    return JSON.parse(text);
  } catch {
    throw new CacheError(`the value of ${JSON.stringify(String(key))} is not JSON`);
  }
}

class Cache {
  #limits = { ...DEFAULT_LIMITS };
  #access;
  #session;
  #lockSession;
  #flights;
  #plain = null;

  /** @param {{access: Function, pool: ?Pool}} parts as a Session takes them; `access` also tells the `deadline` */
  constructor({ access, pool = null }) {
    this.#access = access;
    this.#session = new Session({ access, limits: this.#limits, pool });
    this.#lockSession = new Session({ access, limits: this.#limits, pool });
    this.#flights = new Flights(this.#session, this.#lockSession, () => this.#patience());
  }

  /** The classes by which failures are told apart. */
  get errors() {
    return { CacheError, CacheFull, CacheRefused, CacheTimeout, CacheUnavailable };
  }

  /** Changes `connectTimeout`, `commandTimeout` (seconds) and `maxReplyBytes` for what comes next. */
  configure(limits) {
    changeLimits(this.#limits, limits);
  }

  /** The text at `key`, or null. */
  get(key) {
    return lenient(this.#read(key).then((bytes) => bytes && bytes.toString('utf8')));
  }

  /** The bytes at `key`, or null. */
  getBuffer(key) {
    return lenient(this.#read(key));
  }

  /** The value whose JSON is at `key`, or null. */
  getJson(key) {
    return lenient(this.#read(key).then((bytes) => bytes && parseJson(bytes.toString('utf8'), key)));
  }

  /** Stores a string or bytes as they are, a number as its digits, anything else as JSON; `ttl` in seconds. */
  set(key, value, { ttl } = {}) {
    return lenient(this.#one(() => ['SET', checkKey(key), valueBytes(value), ...expiry(ttl)]).then(() => undefined));
  }

  /** Deletes keys and resolves to how many there were. */
  delete(...keys) {
    return lenient(keys.length === 0 ? Promise.resolve(0) : this.#one(() => ['DEL', ...keys.map(checkKey)]));
  }

  /** Adds to a counter and resolves to its value; `ttl` counts from the making of the counter. */
  increment(key, by = 1, options = {}) {
    return lenient(this.#add(key, by, options));
  }

  decrement(key, by = 1, options = {}) {
    return lenient(this.#add(key, -by, options));
  }

  /**
   * The value whose JSON is at `key`; else that of `compute`, which is stored. One caller computes, whichever process
   * it is in; the others wait for it up to `maxWait` seconds. Each gets a value of its own.
   */
  getOrCompute(key, options, compute) {
    return lenient(typeof options === 'function' ? this.#getOrCompute(key, {}, options) : this.#getOrCompute(key, options ?? {}, compute));
  }

  /** The one plain client of this cache, on a connection of its own; `limits` are as for `configure`. */
  client(limits = {}) {
    this.#plain ??= new PlainClient(this.#access, { ...this.#limits }, lenient);
    this.#plain.configure(limits);
    return this.#plain;
  }

  /** Ends `cache` for good, which is not for an action to do: that of a process is also that of later activations. */
  static end(cache) {
    cache.#session.close();
    cache.#lockSession.close();
    // One that nobody has asked for yet is made, so that it is ended as well.
    PlainClient.end(cache.client());
  }

  async #one(command) {
    return checked((await this.#session.send([command()]))[0]);
  }

  async #read(key) {
    return this.#one(() => ['GET', checkKey(key)]);
  }

  // INCRBY makes a counter without an expiry of ours, and the cache then gives it another: so it is made before.
  async #add(key, by, { ttl } = {}) {
    if (!Number.isSafeInteger(by)) throw new TypeError(`a counter is changed by a whole number, not ${String(by)}`);
    const add = ['INCRBY', checkKey(key), by];
    const commands = ttl === undefined ? [add] : [['SET', checkKey(key), 0, 'NX', ...expiry(ttl)], add];
    const replies = await this.#session.send(commands);
    return replies.map(checked).pop();
  }

  async #getOrCompute(key, { ttl, lockTtl = DEFAULT_LOCK_SECONDS, maxWait = DEFAULT_WAIT_SECONDS }, compute) {
    if (typeof compute !== 'function') throw new TypeError('getOrCompute takes a function that computes the value');
    const text = await this.#flights.join({
      key: checkKey(key),
      store: expiry(ttl),
      lockSeconds: checkSeconds(lockTtl, 'lockTtl'),
      waitSeconds: checkSeconds(maxWait, 'maxWait'),
      compute: async () => jsonText(await compute()),
    });
    return parseJson(text, key);
  }

  /** Half of what the activation has left: who waits in vain must have the time to compute. */
  #patience() {
    const deadline = Number(this.#access().deadline ?? NaN);
    return Number.isNaN(deadline) ? Infinity : Math.max(0, deadline - Date.now()) / 2;
  }
}

/** The cache of a process with one activation at a time, which goes by what that one has now. */
function cacheOfProcess() {
  shared ??= new Cache({
    access: () => {
      const { __OW_CACHE_URL: url, __OW_CACHE_TOKEN: token, __OW_CACHE_ERROR: error, __OW_DEADLINE: deadline } = process.env;
      return { url, token, error, deadline };
    },
  });
  return shared;
}

/** The cache of one activation among several, to be ended with it by `endCache`. A connection is worth nothing with another's token. */
function cacheOfActivation(access) {
  return new Cache({ access: () => access, pool: idle });
}

module.exports = { cacheOfActivation, cacheOfProcess, endCache: Cache.end };
