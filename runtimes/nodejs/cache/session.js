'use strict';
// Who keeps a connection logged in: with the token of now, over a connection of now.

const { CacheError, CacheRefused, CacheUnavailable } = require('./errors.js');
const { Connection } = require('./connection.js');

const NO_CACHE = 'this action has no cache: give it the annotation cache=true';
/** After so many milliseconds of rest the connection may have ended without our having been told yet. */
const RESTED_MS = 100;
/** Idle connections kept for later activations of a container that runs several at once. */
const MAX_IDLE = 32;

/** What a session is allowed by default: times in seconds, sizes in bytes. */
const DEFAULT_LIMITS = { connectTimeout: 1, commandTimeout: 2, maxReplyBytes: 64 * 1024 * 1024 };

/** Sets those of `changes` in `limits`. Throws a TypeError for what is no limit. */
function changeLimits(limits, changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (!(name in DEFAULT_LIMITS)) throw new TypeError(`the cache has no setting '${name}'`);
    if (typeof value !== 'number' || !(value > 0)) throw new TypeError(`${name} is a number above 0, not ${String(value)}`);
  }
  Object.assign(limits, changes);
}

/** Idle connections that were left by one session and wait for another, which shows its own token. */
class Pool {
  constructor() {
    this.connections = [];
  }

  take(url) {
    this.connections = this.connections.filter(({ idle }) => idle);
    const index = this.connections.findLastIndex((connection) => connection.url === url);
    return index < 0 ? null : this.connections.splice(index, 1)[0];
  }

  give(connection) {
    if (connection.idle && this.connections.length < MAX_IDLE) this.connections.push(connection);
    else connection.break('its activation is over');
  }
}

/**
 * Commands over one connection, which is opened when first needed and again when it broke.
 *
 * `access` tells `{url, token, error}` as they are now: in a container with one activation at a time they change
 * under a session, which then shows the new token ahead of its next command.
 */
class Session {
  /** @param {{access: Function, limits: object, pool: ?Pool}} parts without a pool the connection ends with the session */
  constructor({ access, limits, pool = null }) {
    this.access = access;
    this.limits = limits;
    this.pool = pool;
    this.connection = null;
    this.opening = null;
    this.closed = false;
  }

  /**
   * Sends `commands` at once and resolves to their replies, errors among these being values.
   *
   * Commands that were refused for want of a login are repeated once, after one: they were not done. Nothing else is.
   */
  async send(commands) {
    if (commands.length === 0) return [];
    const replies = await (await this.ready()).exchange(commands, this.limits.commandTimeout);
    if (this.permit().token === undefined || !replies.every(needsLogin)) return replies;
    const connection = await this.ready();
    const { token } = this.permit();
    const [answer] = await connection.exchange([['AUTH', token]], this.limits.commandTimeout);
    if (answer instanceof CacheError) throw answer;
    connection.token = token;
    return connection.exchange(commands, this.limits.commandTimeout);
  }

  /**
   * Gives `talk` a function like `send` that stays with one connection and repeats nothing, as WATCH demands. A
   * connection that was left in the middle of a talk is used no more.
   */
  async converse(talk) {
    const connection = await this.ready();
    try {
      return await talk((commands) => connection.exchange(commands, this.limits.commandTimeout));
    } catch (error) {
      connection.break('a conversation ended early');
      throw error;
    }
  }

  /** Where to go and with what, or the error that says why there is nowhere. */
  permit() {
    if (this.closed) throw new CacheRefused('the activation is over, and with it its access to the cache, or the client was closed');
    const { url, token, error } = this.access();
    if (error) throw new CacheUnavailable(`the cache is not available: ${error}`);
    if (!url) throw new CacheUnavailable(NO_CACHE);
    return { url, token };
  }

  /** A usable connection that has been shown the present token. */
  async ready() {
    let { url } = this.permit();
    while (!(await this.stillHolds(url))) {
      await (this.opening ??= this.open(url).finally(() => (this.opening = null)));
      ({ url } = this.permit());
    }
    const { token } = this.permit();
    if (token !== undefined && token !== this.connection.token) this.connection.login(token, this.limits.commandTimeout);
    return this.connection;
  }

  /** Whether there is a connection that has not ended, as far as that can be known. */
  async stillHolds(url) {
    if (this.holds(url) && performance.now() - this.connection.lastUsed > RESTED_MS) await readWhatCame();
    return this.holds(url);
  }

  holds(url) {
    return this.connection !== null && this.connection.usable && this.connection.url === url;
  }

  async open(url) {
    this.connection?.break('the cache has another address');
    this.connection = null;
    const connection = this.pool?.take(url) ?? (await Connection.open(url, this.limits));
    connection.limits = this.limits;
    this.connection = connection;
    if (this.closed) this.close();
  }

  /** Ends the session: its connection goes back to the pool, or away. */
  close() {
    this.closed = true;
    const { connection } = this;
    this.connection = null;
    if (connection === null) return;
    if (this.pool !== null) this.pool.give(connection);
    else connection.break('the client was closed');
  }
}

/** Lets the event loop read what came during a rest, such as an end. The first turn may be one that has read already. */
async function readWhatCame() {
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
}

function needsLogin(reply) {
  return reply instanceof CacheError && reply.code === 'NOAUTH';
}

module.exports = { DEFAULT_LIMITS, Pool, Session, changeLimits };
