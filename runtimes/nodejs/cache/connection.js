'use strict';
// One connection to the cache: commands out, replies back in order, and limits for both.

const net = require('net');
const { CacheError, CacheTimeout, CacheUnavailable } = require('./errors.js');
const { ReplyReader, encode } = require('./resp.js');

/** Exchanges that may wait for their replies on one connection. */
const MAX_WAITING = 10_000;
/**
 * A timer that fires so much later than asked, in milliseconds, means that the process stood still (frozen between
 * activations, or busy). What the time-out is about then had no time: the reply may be there, unread.
 */
const STOOD_STILL_MS = 100;
/** What setTimeout takes at most, in milliseconds; more fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** `redis://host:port` as options for `net.connect`. Throws a CacheUnavailable. */
function parseAddress(url) {
  const match = /^redis:\/\/(?:[^@/]*@)?(?:\[([^\]]+)\]|([^:/[\]]+))(?::(\d{1,5}))?\/?$/.exec(url);
  if (match === null || Number(match[3] ?? 6379) > 65535) {
    throw new CacheUnavailable('the address of the cache is not of the form redis://host:port');
  }
  return { host: match[1] ?? match[2], port: Number(match[3] ?? 6379) };
}

/** Calls `act` after `milliseconds` in which the process ran. Returns what stops it. */
function afterRunning(milliseconds, act) {
  const time = Math.min(milliseconds, LONGEST_TIMER_MS);
  let timer;
  const arm = () => {
    const due = performance.now() + time;
    timer = setTimeout(() => (performance.now() - due > STOOD_STILL_MS ? arm() : act()), time);
    timer.unref();
  };
  arm();
  return () => clearTimeout(timer);
}

class Connection {
  /**
   * Connects; rejects with a CacheUnavailable, since nothing was sent.
   * @param {string} url `redis://host:port`
   * @param {{connectTimeout: number, maxReplyBytes: number}} limits the time in seconds; what it says later holds then
   */
  static open(url, limits) {
    return new Promise((resolve, reject) => {
      const { host, port } = parseAddress(url);
      const socket = net.connect({ host, port, noDelay: true });
      socket.unref();
      const fail = (why) => {
        stop();
        socket.destroy();
        reject(new CacheUnavailable(`the cache at ${host}:${port} cannot be reached: ${why}`));
      };
      const stop = afterRunning(limits.connectTimeout * 1000, () => fail(`no connection within ${limits.connectTimeout} s`));
      socket.on('error', (error) => fail(error.code || error.message));
      socket.once('connect', () => {
        stop();
        socket.removeAllListeners('error');
        resolve(new Connection(socket, url, limits));
      });
    });
  }

  constructor(socket, url, limits) {
    this.socket = socket;
    this.url = url;
    this.limits = limits;
    /** The token that was shown last. */
    this.token = undefined;
    this.usable = true;
    this.lastUsed = performance.now();
    this.reader = new ReplyReader();
    /** Exchanges in the order of their replies. */
    this.waiting = [];
    this.timer = null;
    socket.on('data', (chunk) => this.onData(chunk));
    socket.on('error', (error) => this.break(`it broke: ${error.code || error.message}`));
    socket.on('end', () => this.break('the cache closed it'));
    socket.on('close', () => this.break('the cache closed it'));
  }

  get idle() {
    return this.usable && this.waiting.length === 0;
  }

  /** Sends `commands` at once and resolves to their replies; errors among these are values. `timeout` in seconds. */
  exchange(commands, timeout) {
    return new Promise((resolve, reject) => {
      const bytes = encode(commands);
      if (!this.usable) throw new CacheUnavailable('the connection to the cache has ended; the command was not sent');
      if (this.waiting.length >= MAX_WAITING) {
        throw new CacheError(`${MAX_WAITING} calls of the cache wait for their replies, and no more may`);
      }
      this.lastUsed = performance.now();
      this.waiting.push({ replies: [], count: commands.length, resolve, reject, timeout, due: this.lastUsed + timeout * 1000 });
      this.socket.write(bytes);
      this.watch();
    });
  }

  /** Shows `token` ahead of what is sent next. Whether it is good, the replies to that tell. */
  login(token, timeout) {
    this.token = token;
    this.exchange([['AUTH', token]], timeout).catch(() => {});
  }

  onData(chunk) {
    this.reader.push(chunk);
    this.lastUsed = performance.now();
    try {
      let reply;
      while (this.usable && (reply = this.reader.next(this.limits.maxReplyBytes)) !== undefined) this.deliver(reply);
    } catch (error) {
      this.break(error.message, error);
    }
  }

  deliver(reply) {
    const exchange = this.waiting[0];
    if (exchange === undefined) {
      this.break('the cache replied to nothing');
      return;
    }
    exchange.replies.push(reply);
    if (exchange.replies.length < exchange.count) return;
    this.waiting.shift();
    exchange.resolve(exchange.replies);
  }

  /** One timer for all, which looks at the oldest; it is left running when there is nothing to look at. */
  watch() {
    if (this.timer !== null || this.waiting.length === 0) return;
    const { due } = this.waiting[0];
    this.timer = setTimeout(() => this.look(due), Math.min(LONGEST_TIMER_MS, Math.max(0, due - performance.now())));
    this.timer.unref();
  }

  look(due) {
    this.timer = null;
    const now = performance.now();
    const [oldest] = this.waiting;
    if (oldest !== undefined && now - due > STOOD_STILL_MS) {
      oldest.due = now + oldest.timeout * 1000;
    } else if (oldest !== undefined && oldest.due <= now) {
      this.timeOut(oldest);
    }
    this.watch();
  }

  // Its reply may come yet and would be taken for another's, so the connection goes with it, and with that the replies
  // to what was sent behind it.
  timeOut({ timeout }) {
    const message = `the cache did not reply within ${timeout} s; whether the command was done is not known`;
    this.break('a reply did not come in time', new CacheTimeout(message));
  }

  /** Ends the connection; what waits for a reply fails with `error`, or with a CacheUnavailable that says `why`. */
  break(why, error) {
    if (!this.usable) return;
    this.usable = false;
    clearTimeout(this.timer);
    // Writes that fail after this have nobody to tell.
    this.socket.removeAllListeners().on('error', () => {});
    this.socket.destroy();
    for (const { reject } of this.waiting.splice(0)) {
      const message = `no reply over the connection to the cache, and whether the command was done is not known: ${why}`;
      reject(error ?? new CacheUnavailable(message));
    }
  }
}

module.exports = { Connection, afterRunning };
