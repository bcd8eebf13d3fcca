'use strict';
// Runs the runtime server as an invoker does: a child with piped stdio on a unix socket of its own.

const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');

const SERVER = path.join(__dirname, '..', 'server.js');
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const DEADLINE_MILLISECONDS = 20_000;
const POLL_MILLISECONDS = 5;

async function waitFor(condition, what) {
  const deadline = Date.now() + DEADLINE_MILLISECONDS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`gave up waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

class Runtime {
  /** Starts a server that ends with the test `t`; `env` is added to a small environment. */
  static async start(t, env = {}) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ow-test-'));
    const runtime = new Runtime(folder, env);
    t.after(() => runtime.stop());
    await waitFor(() => fs.existsSync(runtime.socketPath) || runtime.exited, 'the server to listen');
    return runtime;
  }

  constructor(folder, env) {
    this.folder = folder;
    this.socketPath = path.join(folder, 'runtime.sock');
    this.exited = null;
    this.output = { stdout: '', stderr: '' };
    this.child = spawn(process.execPath, [SERVER], {
      cwd: folder,
      env: { PATH: process.env.PATH, TMPDIR: folder, OW_LISTEN: `unix:${this.socketPath}`, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.on('exit', (code, signal) => (this.exited = { code, signal }));
    for (const stream of ['stdout', 'stderr']) {
      this.child[stream].setEncoding('utf8').on('data', (text) => (this.output[stream] += text));
    }
    this.agent = new http.Agent({ keepAlive: true });
  }

  async stop() {
    this.agent.destroy();
    this.child.kill('SIGKILL');
    await waitFor(() => this.exited, 'the server to end');
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sends a POST with a JSON body; answers {status, body, headers}; rejects when the connection breaks. */
  post(route, message) {
    return this.send('POST', route, JSON.stringify(message));
  }

  send(method, route, text, headers = {}) {
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          socketPath: this.socketPath,
          path: route,
          method,
          agent: this.agent,
          headers: { 'Content-Length': Buffer.byteLength(text), ...headers },
        },
        (response) => {
          const chunks = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
            resolve({ status: response.statusCode, body, headers: response.headers });
          });
        },
      );
      request.on('error', reject);
      request.end(text);
    });
  }

  init(code, more = {}) {
    return this.post('/init', { value: { name: 'test', main: 'main', code, binary: false, ...more } });
  }

  initArchive(bytes, more = {}) {
    return this.init(bytes.toString('base64'), { binary: true, ...more });
  }

  run(value = {}, more = {}) {
    return this.post('/run', { value, ...more });
  }

  /** The complete log lines of activation number `index`, once both its sentinels are there. */
  async logs(index = 0) {
    const parts = {};
    for (const stream of ['stdout', 'stderr']) {
      await waitFor(() => this.output[stream].split(`${SENTINEL}\n`).length > index + 1, `sentinel ${index} on ${stream}`);
      const text = this.output[stream].split(`${SENTINEL}\n`)[index];
      parts[stream] = text === '' ? [] : text.replace(/\n$/, '').split('\n');
    }
    return parts;
  }

  waitForExit() {
    return waitFor(() => this.exited, 'the server to exit').then(() => this.exited);
  }
}

module.exports = { Runtime, SENTINEL, SERVER, waitFor };
