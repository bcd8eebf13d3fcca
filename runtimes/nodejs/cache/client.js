'use strict';
// The plain client: any command, its reply decoded, on a connection that nobody else uses.

const { Session, changeLimits } = require('./session.js');
const { asText } = require('./resp.js');
const { checked } = require('./flight.js');

/** After these the server talks without being asked, or replies in a way that this client does not read. */
const NOT_HERE = new Set(['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'MONITOR', 'HELLO']);

function checkCommand(command) {
  if (!Array.isArray(command) || typeof command[0] !== 'string') {
    throw new TypeError('a command is an array that begins with its name');
  }
  if (NOT_HERE.has(command[0].toUpperCase())) {
    throw new TypeError(`${command[0]} is not for this client: use a Redis library with __OW_CACHE_URL and __OW_CACHE_TOKEN`);
  }
  return command;
}

class PlainClient {
  #access;
  #limits;
  #lenient;
  #session = null;
  #over = false;

  /** @param {Function} lenient what is done to each promise that an action is given */
  constructor(access, limits, lenient) {
    this.#access = access;
    this.#limits = limits;
    this.#lenient = lenient;
  }

  configure(limits) {
    changeLimits(this.#limits, limits);
  }

  /** Resolves to the reply: text, number, null, or an array of such; rejects with an error reply. */
  command(...command) {
    return this.#lenient(this.#send([command]).then(([reply]) => asText(checked(reply))));
  }

  /** Like `command`, with Buffers in place of text. */
  commandBuffers(...command) {
    return this.#lenient(this.#send([command]).then(([reply]) => checked(reply)));
  }

  /** Sends commands at once and resolves to their replies; that of one which failed is its error. */
  pipeline(commands, { buffers = false } = {}) {
    return this.#lenient(this.#send(commands).then((replies) => (buffers ? replies : replies.map(asText))));
  }

  /** Ends the connection; the next command opens another. */
  close() {
    this.#session?.close();
    this.#session = null;
  }

  /** Ends `client` for good, with its activation. */
  static end(client) {
    client.close();
    client.#over = true;
  }

  async #send(commands) {
    if (this.#session === null) {
      this.#session = new Session({ access: this.#access, limits: this.#limits });
      if (this.#over) this.#session.close();
    }
    return this.#session.send(commands.map(checkCommand));
  }
}

module.exports = { PlainClient };
