'use strict';
// Entry point of the Node.js action runtime: listens, reads requests, hands them to the ActionService.
//
// `net` instead of `http`: the protocol is two POST routes with Content-Length bodies, and leaving the
// general parser out halves the cost of a warm call and takes milliseconds off a cold start.

const fs = require('fs');
const net = require('net');
const { RequestReader, encodeResponse } = require('./http.js');
const { ActionEnvironment, ActionLogs } = require('./surroundings.js');
const { ActionService } = require('./service.js');

/** Largest request body taken, in bytes; the platform itself allows 48 MB of code. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** More than any invoker opens; keeps a runaway client from exhausting descriptors. */
const MAX_CONNECTIONS = 256;
/** A process that is not initialised by then was started ahead of need, and has time to prepare. */
const PREPARE_AFTER_MS = 100;
const DEFAULT_LISTEN = 'tcp:0.0.0.0:8080';

/**
 * Turns `unix:/path` or `tcp:HOST:PORT` (an IPv6 host in brackets) into options for `server.listen`.
 * Throws an Error naming the value when it is neither.
 */
function parseListen(value) {
  if (value.startsWith('unix:') && value.length > 'unix:'.length) {
    return { path: value.slice('unix:'.length) };
  }
  const tcp = /^tcp:(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  if (tcp && Number(tcp[3]) <= 65535) {
    return { host: tcp[1] || tcp[2], port: Number(tcp[3]) };
  }
  throw new Error(`OW_LISTEN is '${value}' but must be unix:/path or tcp:HOST:PORT`);
}

/** Serves one connection: one request at a time, in order, for as long as the peer keeps it open. */
class Connection {
  constructor(socket, service) {
    this.socket = socket;
    this.service = service;
    this.reader = new RequestReader(MAX_BODY_BYTES);
    this.busy = false;
    socket.on('data', (chunk) => this.onData(chunk));
    // A peer that went away has nobody left to answer: the run goes on, its answer is dropped.
    socket.on('error', () => socket.destroy());
  }

  onData(chunk) {
    this.reader.push(chunk);
    if (this.busy) {
      // Pipelined input waits in the kernel, not in our memory, until the present answer is out.
      this.socket.pause();
    } else {
      this.serveNext();
    }
  }

  serveNext() {
    let request;
    try {
      request = this.reader.next();
    } catch (error) {
      this.refuse(error);
      return;
    }
    if (request !== null) {
      this.busy = true;
      this.service
        .handle(request.method, request.path, request.body)
        .then((answer) => this.answer(answer, request.keepAlive));
    } else if (this.reader.takeContinue()) {
      this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  answer({ status, body }, keepAlive) {
    this.busy = false;
    if (this.socket.destroyed) return;
    const { text, encoding } = encodeResponse(status, body, keepAlive);
    if (!keepAlive) {
      this.socket.end(text, encoding);
      return;
    }
    this.socket.write(text, encoding);
    if (this.socket.isPaused()) this.socket.resume();
    if (this.reader.hasInput()) this.serveNext();
  }

  /** After bytes that are no request there is no telling where the next one starts: answer, then close. */
  refuse(error) {
    const body = JSON.stringify({ error: error.message });
    const { text, encoding } = encodeResponse(error.status || 400, body, false);
    this.socket.removeAllListeners('data');
    this.socket.end(text, encoding);
    this.socket.resume();
  }
}

function fail(message) {
  process.stderr.write(`nodejs runtime: ${message}\n`);
  process.exit(1);
}

/** Goes the way of a first request once, so that the real one finds everything compiled and opened. */
function prepare(service, address) {
  if (!service.prepare()) return;
  const probe = net.connect(typeof address === 'string' ? address.replace(/~$/, '') : address);
  // Whoever cannot connect to itself loses some milliseconds of its first call and nothing else.
  probe.on('error', () => {});
  probe.end('POST /rehearsal HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}');
  probe.resume();
}

function start() {
  const listen = process.env.OW_LISTEN || DEFAULT_LISTEN;
  const allowConcurrent = process.env.__OW_ALLOW_CONCURRENT === 'true';
  delete process.env.OW_LISTEN;

  let address;
  try {
    address = parseListen(listen);
  } catch (error) {
    fail(error.message);
  }
  // The kernel gives process 1 of a container no default action for SIGTERM: without this a stop takes
  // the whole grace period.
  if (process.pid === 1) process.once('SIGTERM', () => process.exit(143));

  const service = new ActionService({
    allowConcurrent,
    environment: ActionEnvironment.install(),
    logs: ActionLogs.install(),
  });
  const server = net.createServer({ noDelay: true }, (socket) => new Connection(socket, service));
  server.maxConnections = MAX_CONNECTIONS;
  server.on('error', (error) => fail(`cannot listen on ${listen}: ${error.message}`));
  server.listen(address.path === undefined ? address : { path: `${address.path}~` }, () => {
    // Only now under its name: whoever sees the socket can connect to it.
    if (address.path !== undefined) fs.renameSync(`${address.path}~`, address.path);
    setTimeout(() => prepare(service, server.address()), PREPARE_AFTER_MS).unref();
  });
}

start();
