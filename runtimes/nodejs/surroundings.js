'use strict';
// What an action sees of its process: the environment and the two log streams.

const fs = require('fs');
const { Writable } = require('stream');

/** The line both streams carry after each activation; the invoker cuts the logs there. */
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const RESERVED_PREFIX = '__OW_';
/** What /init says of these is about the activation that the process is made for, and no other may have it. */
const OF_ONE_ACTIVATION = ['__OW_CACHE_URL', '__OW_CACHE_TOKEN', '__OW_CACHE_ERROR'];
const NEWLINE = 0x0a;
const RETRY_MILLISECONDS = 1;

function asText(value) {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * The action's `process.env`.
 *
 * It is a plain object behind a proxy, not the process's own environment: each run brings new values, and
 * the C library never frees a replaced one, which at thousands of runs a second leaks megabytes a second.
 * What user code assigns also reaches the real environment (time zone, native code); the `__OW_` variables
 * of a run do not. Child processes are given this object by Node.js and so see everything.
 */
class ActionEnvironment {
  /** Makes the environment of this process the action's and returns its keeper. */
  static install() {
    const keeper = new ActionEnvironment(process.env);
    process.env = keeper.proxy;
    return keeper;
  }

  constructor(real) {
    this.values = { ...real };
    this.initial = new Map();
    this.runNames = [];
    const assign = (values, name, value) => {
      if (typeof name === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
      const text = `${value}`;
      if (!name.startsWith(RESERVED_PREFIX)) real[name] = text;
      values[name] = text;
      return true;
    };
    this.proxy = new Proxy(this.values, {
      set: assign,
      defineProperty: (values, name, { value }) => assign(values, name, value),
      deleteProperty: (values, name) => {
        if (typeof name !== 'symbol') delete real[name];
        return delete values[name];
      },
    });
  }

  /** Sets the `env` of /init. Throws an Error for a name no environment can hold. */
  applyInit(env) {
    for (const [name, value] of Object.entries(env)) {
      if (name === '' || /[=\0]/.test(name)) {
        throw new Error(`the init parameter ${JSON.stringify(name)} cannot be the name of an environment variable`);
      }
      process.env[name] = asText(value);
      if (OF_ONE_ACTIVATION.includes(name)) this.runNames.push(name);
      else this.initial.set(name, process.env[name]);
    }
  }

  /** Sets `__OW_<MEMBER>` for each member of a /run body but `value`; what only the previous run had goes. */
  applyRun(message) {
    // User code may have put an object of its own in the place of process.env.
    const env = process.env === this.proxy ? this.values : process.env;
    const names = [];
    for (const key of Object.keys(message)) {
      const value = message[key];
      if (key === 'value' || value === null) continue;
      const name = RESERVED_PREFIX + key.toUpperCase();
      env[name] = asText(value);
      names.push(name);
    }
    for (const name of this.runNames) {
      if (names.includes(name)) continue;
      if (this.initial.has(name)) env[name] = this.initial.get(name);
      else delete env[name];
    }
    this.runNames = names;
  }
}

// `write` may stop short, or refuse when whoever made the pipe left it non-blocking; losing bytes is no option.
function writeFully(fd, bytes) {
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += fs.writeSync(fd, bytes, offset);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLISECONDS);
    }
  }
}

/**
 * process.stdout and process.stderr of an action: every write is in the pipe when it returns.
 *
 * Node's own pipe streams queue what does not fit, so a sentinel could overtake it and process.exit lose it.
 */
class LogStream extends Writable {
  constructor(fd) {
    super({ decodeStrings: true, emitClose: false, autoDestroy: false });
    this.fd = fd;
    this._type = 'pipe';
    this._isStdio = true;
    this.endsLine = true;
  }

  _write(chunk, encoding, done) {
    if (chunk.length > 0) {
      writeFully(this.fd, chunk);
      this.endsLine = chunk[chunk.length - 1] === NEWLINE;
    }
    done();
  }

  // As with Node's own standard streams, no one closes them for the rest of the process.
  _destroy(error, done) {
    done(error);
  }

  /** Ends the activation's log on this stream with a sentinel on a line of its own. */
  writeSentinel() {
    while (this.writableCorked > 0) this.uncork();
    writeFully(this.fd, this.endsLine ? SENTINEL_LINE : SENTINEL_AFTER_TEXT);
    this.endsLine = true;
  }
}

const SENTINEL_LINE = Buffer.from(`${SENTINEL}\n`);
const SENTINEL_AFTER_TEXT = Buffer.from(`\n${SENTINEL}\n`);

/** Both log streams of the process. */
class ActionLogs {
  /** Puts our streams in the place of process.stdout and process.stderr. */
  static install() {
    const logs = new ActionLogs(new LogStream(1), new LogStream(2));
    for (const name of ['stdout', 'stderr']) {
      Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => logs[name] });
    }
    return logs;
  }

  constructor(stdout, stderr) {
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** To be called after everything the activation wrote and before its answer is sent. */
  endActivation() {
    this.stdout.writeSentinel();
    this.stderr.writeSentinel();
  }
}

module.exports = { ActionEnvironment, ActionLogs };
