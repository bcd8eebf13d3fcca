'use strict';
// Get or compute, with one computation at a time for a key, whoever asks: within a process and across containers.
//
// Who finds nothing takes a lock in the cache, a key with an owner and an expiry; who does not get it looks again,
// less and less often, until the value is there, the lock is free (its owner failed or died) or the patience ends.

const { randomBytes } = require('crypto');
const { CacheError } = require('./errors.js');
const { afterRunning } = require('./connection.js');

const LOCK_SUFFIX = ':ow-lock';
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 200;

function lockOf(key) {
  return Buffer.isBuffer(key) ? Buffer.concat([key, Buffer.from(LOCK_SUFFIX)]) : key + LOCK_SUFFIX;
}

function pause(milliseconds) {
  return new Promise((resolve) => afterRunning(milliseconds, resolve));
}

/** An error reply thrown, any other returned. */
function checked(reply) {
  if (reply instanceof CacheError) throw reply;
  return reply;
}

class Flights {
  /**
   * @param {Session} session for values
   * @param {Session} lockSession for giving locks back, which needs a connection of its own: WATCH belongs to one
   * @param {() => number} patience milliseconds that a waiter has at most
   */
  constructor(session, lockSession, patience) {
    this.session = session;
    this.lockSession = lockSession;
    this.patience = patience;
    this.underway = new Map();
    this.lastRelease = Promise.resolve();
  }

  /**
   * The text at `key`, or what `compute` resolves to, which is stored by the words `store` after the text.
   * Callers in this process share one flight, and its failure.
   * @param {{key: string|Buffer, store: Array, lockSeconds: number, waitSeconds: number, compute: Function}} wanted
   */
  join(wanted) {
    const name = Buffer.isBuffer(wanted.key) ? `b${wanted.key.latin1Slice()}` : `s${wanted.key}`;
    let flight = this.underway.get(name);
    if (flight !== undefined) return this.share(flight, wanted);
    flight = this.fly(wanted).finally(() => this.underway.delete(name));
    this.underway.set(name, flight);
    return flight;
  }

  share(flight, wanted) {
    return new Promise((resolve, reject) => {
      const stop = afterRunning(this.longestWait(wanted), () => resolve(this.computeAndStore(wanted)));
      flight.then(resolve, reject).finally(stop);
    });
  }

  longestWait({ waitSeconds }) {
    return Math.min(waitSeconds * 1000, this.patience());
  }

  async fly(wanted) {
    const claim = { lock: lockOf(wanted.key), owner: randomBytes(16).toString('hex') };
    const found = checked((await this.session.send([['GET', wanted.key]]))[0]);
    if (found !== null) return found.toString('utf8');

    const end = performance.now() + this.longestWait(wanted);
    for (let longest = FIRST_PAUSE_MS; ; longest = Math.min(longest * 2, LONGEST_PAUSE_MS)) {
      const { owned, value } = await this.attempt(wanted, claim);
      if (value !== null) {
        if (owned) await this.release(claim);
        return value.toString('utf8');
      }
      if (owned) return this.computeOwned(wanted, claim);
      const left = end - performance.now();
      if (left <= 0) return this.computeAndStore(wanted);
      await pause(Math.min(left, longest * (0.5 + Math.random() / 2)));
    }
  }

  // The value is read behind the lock: who gets it just after another gave it back must see what that one stored.
  async attempt({ key, lockSeconds }, { lock, owner }) {
    const milliseconds = Math.max(1, Math.round(lockSeconds * 1000));
    const replies = await this.session.send([
      ['SET', lock, owner, 'NX', 'PX', milliseconds],
      ['GET', key],
    ]);
    const [taken, value] = replies.map(checked);
    return { owned: taken !== null, value };
  }

  async computeOwned(wanted, claim) {
    try {
      return await this.computeAndStore(wanted);
    } finally {
      await this.release(claim);
    }
  }

  /** A value that cannot be stored is a value all the same; that it was not stored is in the action's log. */
  async computeAndStore({ key, store, compute }) {
    const text = await compute();
    try {
      checked((await this.session.send([['SET', key, text, ...store]]))[0]);
    } catch (error) {
      if (!(error instanceof CacheError)) throw error;
      console.error(`cache: the computed value of ${JSON.stringify(String(key))} was not stored: ${error.message}`);
    }
    return text;
  }

  /** Gives the lock back if it is still ours. One at a time, because a WATCH ends with any EXEC of its connection. */
  release(claim) {
    this.lastRelease = this.lastRelease.then(() => this.lockSession.converse((send) => giveBack(send, claim)).catch(() => {}));
    return this.lastRelease;
  }
}

// Who cannot give a lock back leaves it to its expiry.
async function giveBack(send, { lock, owner }) {
  const [, holder] = await send([['WATCH', lock], ['GET', lock]]);
  const ours = Buffer.isBuffer(holder) && holder.toString('latin1') === owner;
  await send(ours ? [['MULTI'], ['DEL', lock], ['EXEC']] : [['UNWATCH']]);
}

module.exports = { Flights, checked };
