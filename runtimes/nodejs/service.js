'use strict';
// The /init and /run protocol: what is allowed when, and what is answered.

const { loadAction, rehearse } = require('./loader.js');

const READY = 'ready';
const STARTING = 'starting';
const RUNNING = 'running';
const STOPPED = 'stopped';

function failure(status, message) {
  return { status, body: JSON.stringify({ error: message }) };
}

const BAD_REQUEST = failure(500, 'Bad request.');
const MISSING_CODE = failure(403, 'Missing main/no code to execute.');
const INITIALIZED_BEFORE = failure(403, 'Cannot initialize the action more than once.');
const NOT_INITIALIZED = failure(403, 'System not initialized.');
const VALUE_NOT_OBJECT = failure(403, 'Internal system error: the value of the run request is not an object or array.');
const NOT_A_DICTIONARY = failure(502, 'The action did not return a dictionary.');
const INITIALIZED = { status: 200, body: '{"OK":true}' };

/** The second argument of an action: facts of this one activation, right also when several run at once. */
class ActivationContext {
  #cache = null;
  #cacheError;
  #alone;
  #over = false;

  /** `alone` where the process runs one activation at a time. */
  constructor(message, apiHost, alone) {
    this.#cacheError = message.cache_error;
    this.#alone = alone;
    this.activationId = message.activation_id;
    this.namespace = message.namespace;
    this.actionName = message.action_name;
    this.actionVersion = message.action_version;
    this.transactionId = message.transaction_id;
    /** Epoch milliseconds at which the platform ends the activation; NaN when the request has none. */
    this.deadline = Number(message.deadline ?? NaN);
    this.apiHost = apiHost;
    if (message.api_key != null) this.apiKey = message.api_key;
    if (message.cache_token != null) this.cacheToken = message.cache_token;
    if (message.cache_url != null) this.cacheUrl = message.cache_url;
    if (message.attempt != null) this.attempt = Number(message.attempt);
  }

  /** Milliseconds left before the deadline, never below 0; Infinity without a deadline. */
  getRemainingTimeInMillis() {
    return Number.isNaN(this.deadline) ? Infinity : Math.max(0, this.deadline - Date.now());
  }

  /** The cache, for as long as the activation lasts. Whoever does not ask for it does not even load its code. */
  get cache() {
    this.#cache ??= this.#openCache();
    return this.#cache;
  }

  #openCache() {
    const { cacheOfActivation, cacheOfProcess, endCache } = require('./cache/cache.js');
    if (this.#alone) return cacheOfProcess();
    const { cacheUrl: url, cacheToken: token, deadline } = this;
    const cache = cacheOfActivation({ url, token, error: this.#cacheError, deadline });
    if (this.#over) endCache(cache);
    return cache;
  }

  /** The activation of `context` is over. Static, so that the action cannot say so. */
  static end(context) {
    context.#over = true;
    // That of a process goes on: its connection is good again with the next activation's token.
    if (!context.#alone && context.#cache !== null) require('./cache/cache.js').endCache(context.#cache);
  }
}

/**
 * A rejection's reason as JSON shows it best: errors with their name, message and stack, which JSON would
 * leave out, functions by name, and cycles cut.
 */
function describeReason(reason, ancestors = []) {
  if (typeof reason === 'function') return `[Function: ${reason.name || 'anonymous'}]`;
  if (typeof reason === 'bigint' || typeof reason === 'symbol') return String(reason);
  if (typeof reason !== 'object' || reason === null || typeof reason.toJSON === 'function') return reason;
  const path = [...ancestors, reason];
  const describe = (value) => (path.includes(value) ? '[Circular]' : describeReason(value, path));
  if (Array.isArray(reason)) return reason.map(describe);

  const members = {};
  for (const [name, value] of Object.entries(reason)) {
    if (typeof value !== 'function') members[name] = describe(value);
  }
  for (const name of ['name', 'message', 'stack', 'code']) {
    if (typeof reason[name] === 'string') members[name] = reason[name];
  }
  if (reason.cause !== undefined) members.cause = describe(reason.cause);
  return members;
}

// Anything can be thrown: a symbol, which is no string by itself, or an object that has no text.
function textOf(error) {
  try {
    return String(error);
  } catch {
    return `a value of type "${typeof error}" without a text`;
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null;
}

function parseBody(bytes) {
  try {
    const message = bytes.length === 0 ? {} : JSON.parse(bytes.toString('utf8'));
    return isObject(message) ? message : null;
  } catch {
    return null;
  }
}

/** One action from /init to the end of the process. */
class ActionService {
  /**
   * @param {object} parts
   * @param {boolean} parts.allowConcurrent whether runs may overlap in this process
   * @param {ActionEnvironment} parts.environment
   * @param {ActionLogs} parts.logs
   */
  constructor({ allowConcurrent, environment, logs }) {
    this.allowConcurrent = allowConcurrent;
    this.environment = environment;
    this.logs = logs;
    this.state = READY;
    this.main = null;
  }

  /** Makes a coming /init faster. Leaves a process alone that has its action, and says whether it did anything. */
  prepare() {
    if (this.state !== READY || this.main !== null) return false;
    try {
      rehearse();
    } catch {
      // Whatever stands in the way (no place to write, say) stands in the way of /init, too, which reports it.
    }
    return true;
  }

  /** Answers one request with `{status, body}`, the body being JSON text. Never rejects. */
  async handle(method, path, bytes) {
    if (method !== 'POST' || (path !== '/init' && path !== '/run')) return BAD_REQUEST;
    const message = parseBody(bytes);
    if (message === null) return BAD_REQUEST;
    return path === '/run' ? this.run(message) : this.init(message);
  }

  async init({ value }) {
    if (this.main !== null) return INITIALIZED_BEFORE;
    if (this.state !== READY) return this.notReady();
    const action = isObject(value) ? value : {};
    if (!isNonEmptyString(action.main) || !isNonEmptyString(action.code)) return MISSING_CODE;

    this.state = STARTING;
    try {
      if (isObject(action.env)) this.environment.applyInit(action.env);
      this.main = await loadAction(action);
    } catch (error) {
      console.error('Error during initialization:', error);
      this.state = STOPPED;
      this.logs.endActivation();
      return failure(502, `Initialization has failed due to: ${(error && error.stack) || textOf(error)}`);
    }
    this.state = READY;
    return INITIALIZED;
  }

  async run(message) {
    if (this.state !== READY) return this.notReady();
    if (this.main === null) return NOT_INITIALIZED;
    if (!isObject(message.value)) return VALUE_NOT_OBJECT;

    if (!this.allowConcurrent) this.state = RUNNING;
    this.environment.applyRun(message);
    const context = new ActivationContext(message, process.env.__OW_API_HOST, !this.allowConcurrent);
    const answer = await this.invoke(message.value, context);
    ActivationContext.end(context);
    if (this.state === RUNNING) this.state = READY;
    this.logs.endActivation();
    return answer;
  }

  /**
   * Calls the action. What it throws while being called is the developer's error and ends this process's
   * usefulness; what a promise of its is rejected with is an answer like any other.
   */
  async invoke(value, context) {
    try {
      const { main } = this;
      const result = main(value, context);
      return encodeResult(await Promise.resolve(result).catch((reason) => ({ error: describeReason(reason || {}) })));
    } catch (error) {
      console.error(error);
      this.state = STOPPED;
      return failure(502, `An error has occurred: ${textOf(error)}`);
    }
  }

  notReady() {
    return failure(403, `System not ready, status is ${this.state}.`);
  }
}

function isNonEmptyString(value) {
  return typeof value === 'string' && value !== '';
}

// Throws what JSON.stringify throws: for cycles, BigInt, or a toJSON of the user's.
function encodeResult(result) {
  if (result === undefined) return { status: 200, body: '{}' };
  const body = isObject(result) ? JSON.stringify(result) : undefined;
  if (body === undefined || (body[0] !== '{' && body[0] !== '[')) {
    console.error(`Result must be of type object but has type "${typeof result}":`, result);
    return NOT_A_DICTIONARY;
  }
  return { status: 200, body };
}

module.exports = { ActionService };
