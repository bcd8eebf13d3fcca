'use strict';
// What the tests of the cache talk to: a real Redis, whose password is the token, and a server that misbehaves.

const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { spawn, spawnSync } = require('child_process');
const { waitFor } = require('./harness.js');
const { Connection } = require('../cache/connection.js');
const { DEFAULT_LIMITS } = require('../cache/session.js');

/** Why there are no tests against a real server, for the `skip` of a test; false where there are. */
const NO_REDIS = spawnSync('redis-server', ['--version']).status === 0 ? false : 'there is no redis-server on this machine';

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

class Redis {
  /** Starts a server that ends with the test `t` and takes `token` for a password. */
  static async start(t, token) {
    const redis = new Redis(await freePort(), token);
    t.after(() => redis.stop());
    await waitFor(() => redis.output.includes('Ready to accept connections') || redis.exited, 'redis-server');
    // As an operator, past every token: logged in once, a connection stays so.
    redis.operator = await Connection.open(redis.url, DEFAULT_LIMITS);
    await redis.do('AUTH', token);
    return redis;
  }

  constructor(port, token) {
    this.url = `redis://127.0.0.1:${port}`;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ow-redis-'));
    this.output = '';
    this.exited = false;
    const args = ['--bind', '127.0.0.1', '--port', port, '--requirepass', token, '--save', '', '--dir', this.folder];
    this.child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.output += text));
    this.child.on('exit', () => (this.exited = true));
  }

  async stop() {
    this.operator?.break('the test is over');
    this.child.kill('SIGKILL');
    await waitFor(() => this.exited, 'redis-server to end');
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs a command as the operator. */
  async do(...command) {
    const [reply] = await this.operator.exchange([command], 10);
    if (reply instanceof Error) throw reply;
    return Buffer.isBuffer(reply) ? reply.toString() : reply;
  }

  /** From now on only `token` is taken; connections that have logged in stay so. */
  issue(token) {
    return this.do('CONFIG', 'SET', 'requirepass', token);
  }

  /** How many connections there are beside the operator's. */
  async connections() {
    return (await this.do('CLIENT', 'LIST')).trim().split('\n').length - 1;
  }

  /** How many connections there have been. */
  async accepted() {
    return Number(/total_connections_received:(\d+)/.exec(await this.do('INFO', 'stats'))[1]);
  }

  /** Breaks every connection but the operator's. */
  dropConnections() {
    return this.do('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  }

  /** The number of calls of a command so far. */
  async calls(command) {
    const line = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await this.do('INFO', 'commandstats'));
    return line === null ? 0 : Number(line[1]);
  }
}

/** A server whose every connection `serve(socket, text, number)` is told of all that comes; counts connections. */
async function fakeServer(t, serve) {
  const sockets = new Set();
  const fake = { connections: 0, sockets };
  const server = net.createServer((socket) => {
    const number = fake.connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (text) => serve(socket, text, number));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  fake.url = `redis://127.0.0.1:${server.address().port}`;
  return fake;
}

module.exports = { NO_REDIS, Redis, fakeServer, freePort };
