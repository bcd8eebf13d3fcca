'use strict';
// HTTP/1.1 framing, as pure code: bytes in, requests out; answers in, text out. No sockets here.

const MAX_HEAD_BYTES = 64 * 1024;
const HEAD_END = '\r\n\r\n';

const REASONS = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  411: 'Length Required',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
};

/** Bytes that are no request we take; `status` is the HTTP status to answer before closing. */
class ProtocolError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function parseHead(text, maxBodyBytes) {
  const line = /^([A-Z]+) (\S+) HTTP\/1\.([01])(?:\r\n|$)/.exec(text);
  if (line === null) throw new ProtocolError(400, 'malformed request line');
  if (/\r\ntransfer-encoding:/i.test(text)) {
    throw new ProtocolError(411, 'the request must carry a content-length');
  }
  const length = /\r\ncontent-length:[ \t]*([^\r]*)/i.exec(text);
  const bodyLength = length === null ? 0 : Number(length[1].trim() || NaN);
  if (!Number.isSafeInteger(bodyLength) || bodyLength < 0) {
    throw new ProtocolError(400, 'malformed content-length');
  }
  if (bodyLength > maxBodyBytes) {
    throw new ProtocolError(413, `request body larger than allowed: ${bodyLength} > ${maxBodyBytes} bytes`);
  }
  return {
    method: line[1],
    path: line[2],
    bodyLength,
    keepAlive: line[3] === '1' && !/\r\nconnection:[ \t]*close/i.test(text),
    expectContinue: /\r\nexpect:[ \t]*100-continue/i.test(text),
  };
}

/** Collects the bytes of one connection and yields the requests in them. */
class RequestReader {
  /** @param {number} maxBodyBytes largest body accepted, in bytes */
  constructor(maxBodyBytes) {
    this.maxBodyBytes = maxBodyBytes;
    this.chunks = [];
    this.size = 0;
    this.head = null;
  }

  push(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
  }

  hasInput() {
    return this.size > 0;
  }

  /** The next complete request `{method, path, body, keepAlive}`, or null. Throws a ProtocolError. */
  next() {
    if (this.head === null && !this.readHead()) return null;
    if (this.size < this.head.bodyLength) return null;
    const bytes = this.join();
    const { method, path, keepAlive, bodyLength } = this.head;
    this.head = null;
    this.keep(bytes.subarray(bodyLength));
    return { method, path, keepAlive, body: bytes.subarray(0, bodyLength) };
  }

  /** True once for a peer that waits for `100 Continue` before it sends its body. */
  takeContinue() {
    if (this.head === null || !this.head.expectContinue || this.size > 0) return false;
    this.head.expectContinue = false;
    return true;
  }

  readHead() {
    if (this.size === 0) return false;
    const bytes = this.join();
    const end = bytes.indexOf(HEAD_END, 0, 'latin1');
    if (end > MAX_HEAD_BYTES || (end < 0 && bytes.length > MAX_HEAD_BYTES)) {
      throw new ProtocolError(431, `request head larger than allowed: ${MAX_HEAD_BYTES} bytes`);
    }
    if (end < 0) {
      this.keep(bytes);
      return false;
    }
    this.head = parseHead(bytes.latin1Slice(0, end), this.maxBodyBytes);
    this.keep(bytes.subarray(end + HEAD_END.length));
    return true;
  }

  // Large bodies come in hundreds of chunks: they are joined once, when the last one is there.
  join() {
    return this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks, this.size);
  }

  keep(rest) {
    this.chunks.length = 0;
    this.size = 0;
    if (rest.length > 0) this.push(rest);
  }
}

/**
 * Head and body as one string, so that they leave in one write. `encoding` is latin1 where the body is
 * plain ASCII, which spares the UTF-8 pass.
 */
function encodeResponse(status, body, keepAlive) {
  const length = Buffer.byteLength(body);
  const connection = keepAlive ? '' : 'Connection: close\r\n';
  return {
    text:
      `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${length}\r\n${connection}\r\n${body}`,
    encoding: length === body.length ? 'latin1' : 'utf8',
  };
}

module.exports = { ProtocolError, RequestReader, encodeResponse };
