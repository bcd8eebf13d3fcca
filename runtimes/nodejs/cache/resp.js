'use strict';
// RESP2, the protocol of Redis, as pure code: commands to bytes, bytes to replies. No sockets here.

const { CacheError, fromReply } = require('./errors.js');

const CR = 0x0d;
/** Numbers, errors and lengths are lines, none of which is anywhere near as long. */
const MAX_LINE_BYTES = 64 * 1024;
/** Replies of Redis nest a few levels deep (`COMMAND`, `XINFO`); more would only be an attack on the reader. */
const MAX_DEPTH = 32;
/** The shortest element of an array: `:0\r\n`. */
const MIN_ELEMENT_BYTES = 4;
const INCOMPLETE = Symbol('incomplete');

/** Bytes that are no reply: nothing that follows on the connection can be understood. */
class ReplyProtocolError extends CacheError {}

function argument(value, position, command) {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if ((typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint') return String(value);
  const kind = value === null ? 'null' : typeof value === 'number' ? String(value) : typeof value;
  throw new TypeError(`argument ${position} of ${command} must be a string, a Buffer or a number but is ${kind}`);
}

/**
 * The bytes of `commands`, each an array of strings, Buffers and numbers, to be written at once.
 * Throws a TypeError for anything else.
 */
function encode(commands) {
  const parts = [];
  let text = '';
  for (const command of commands) {
    if (!Array.isArray(command) || command.length === 0) throw new TypeError('a command is an array that begins with its name');
    text += `*${command.length}\r\n`;
    command.forEach((value, position) => {
      const word = argument(value, position, String(command[0]));
      text += `$${Buffer.byteLength(word)}\r\n`;
      if (typeof word === 'string') {
        text += `${word}\r\n`;
      } else {
        parts.push(Buffer.from(text), word);
        text = '\r\n';
      }
    });
  }
  parts.push(Buffer.from(text));
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/**
 * Collects the bytes of one connection and yields the replies in them: Buffers for bulk strings, strings for
 * simple ones, numbers (BigInt where a number would not be exact), null, arrays, CacheErrors.
 */
class ReplyReader {
  constructor() {
    this.chunks = [];
    this.size = 0;
    /** So many bytes must be there before another look is worth its while. */
    this.needed = 1;
    this.bulkLength = null;
    this.stack = [];
    this.replyBytes = 0;
  }

  push(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
  }

  /** The next complete reply, or undefined. Throws a ReplyProtocolError, also for a reply larger than `maxBytes`. */
  next(maxBytes) {
    while (this.size >= this.needed) {
      let value = this.element(maxBytes);
      if (value === INCOMPLETE) continue;
      value = this.close(value);
      if (value !== INCOMPLETE) {
        this.replyBytes = 0;
        return value;
      }
    }
    return undefined;
  }

  /** One element, or INCOMPLETE with `needed` set to what it takes, or after the head of an array. */
  element(maxBytes) {
    if (this.bulkLength !== null) return this.bulk();
    const line = this.line();
    if (line === null) return INCOMPLETE;
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return Buffer.from(rest, 'latin1').toString('utf8');
      case '-':
        return fromReply(Buffer.from(rest, 'latin1').toString('utf8'));
      case ':':
        return integer(rest);
      case '$':
        return this.bulkHead(count(rest), maxBytes);
      case '*':
        return this.arrayHead(count(rest), maxBytes);
      default:
        throw new ReplyProtocolError(`the cache sent what is no reply: ${JSON.stringify(line.slice(0, 40))}`);
    }
  }

  bulkHead(length, maxBytes) {
    if (length === -1) return null;
    this.bound(length, maxBytes);
    this.bulkLength = length;
    this.needed = length + 2;
    return INCOMPLETE;
  }

  bulk() {
    const value = this.take(this.bulkLength + 2).subarray(0, this.bulkLength);
    this.bulkLength = null;
    this.needed = 1;
    // A small value that is kept must not keep everything that came along with it.
    return value.length * 2 < value.buffer.byteLength ? Buffer.from(value) : value;
  }

  arrayHead(length, maxBytes) {
    if (length === -1) return null;
    if (length === 0) return [];
    this.bound(length * MIN_ELEMENT_BYTES, maxBytes);
    if (this.stack.length === MAX_DEPTH) throw new ReplyProtocolError('the cache sent a reply with too many levels');
    this.stack.push({ items: [], length });
    return INCOMPLETE;
  }

  /** Checked before anything of that size is waited for. */
  bound(bytes, maxBytes) {
    if (this.replyBytes + bytes > maxBytes) {
      throw new ReplyProtocolError(`the cache sent a reply larger than ${maxBytes} bytes`);
    }
  }

  /** Puts a value into the arrays that are open; what is complete by that, or INCOMPLETE. */
  close(value) {
    let whole = value;
    while (this.stack.length > 0) {
      const { items, length } = this.stack[this.stack.length - 1];
      items.push(whole);
      if (items.length < length) return INCOMPLETE;
      whole = items;
      this.stack.pop();
    }
    return whole;
  }

  line() {
    const bytes = this.join();
    const end = bytes.indexOf(CR);
    if (end > MAX_LINE_BYTES || (end < 0 && bytes.length > MAX_LINE_BYTES)) {
      throw new ReplyProtocolError('the cache sent a line that does not end');
    }
    if (end < 0 || bytes.length < end + 2) {
      this.needed = this.size + 1;
      return null;
    }
    this.needed = 1;
    return this.take(end + 2).latin1Slice(0, end);
  }

  take(length) {
    const bytes = this.join();
    this.replyBytes += length;
    this.chunks.length = 0;
    this.size = 0;
    if (bytes.length > length) this.push(bytes.subarray(length));
    return bytes.subarray(0, length);
  }

  // Large values come in many chunks: they are joined once, when the last one is there.
  join() {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks, this.size)];
    return this.chunks[0];
  }
}

function integer(text) {
  if (!/^-?\d{1,20}$/.test(text)) throw new ReplyProtocolError(`the cache sent ${JSON.stringify(text)} for a number`);
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

function count(text) {
  const number = integer(text);
  if (typeof number === 'bigint' || number < -1) throw new ReplyProtocolError(`the cache sent ${text} for a length`);
  return number;
}

/** A reply with the text of its bulk strings in place of their bytes. */
function asText(reply) {
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  return Array.isArray(reply) ? reply.map(asText) : reply;
}

module.exports = { ReplyProtocolError, ReplyReader, asText, encode };
