'use strict';
// The /init and /run protocol: order, status codes, bodies, environment, context, framing.

const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { Runtime, SERVER, waitFor } = require('../testing/harness.js');

const ECHO = 'function main(args) { return args; }';

function assertAnswer(answer, status, body) {
  assert.deepStrictEqual({ status: answer.status, body: answer.body }, { status, body });
}

test('init without code is refused and leaves the runtime ready', async (t) => {
  const runtime = await Runtime.start(t);
  for (const value of [{ main: 'main' }, { main: 'main', code: '' }, { code: ECHO }, {}, undefined]) {
    assertAnswer(await runtime.post('/init', { value }), 403, { error: 'Missing main/no code to execute.' });
  }
  const answer = await runtime.init(ECHO);
  assertAnswer(answer, 200, { OK: true });
  assert.strictEqual(answer.headers['content-length'], '11');
});

test('run before init and second init are refused', async (t) => {
  const runtime = await Runtime.start(t);
  assertAnswer(await runtime.run(), 403, { error: 'System not initialized.' });
  await runtime.init(ECHO);
  assertAnswer(await runtime.init(ECHO), 403, { error: 'Cannot initialize the action more than once.' });
  assertAnswer(await runtime.run({ a: 1 }), 200, { a: 1 });
});

test('run takes objects and arrays and nothing else', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init(ECHO);
  for (const value of [null, 'text', 5, true, undefined]) {
    const answer = await runtime.post('/run', { value });
    assert.strictEqual(answer.status, 403);
    assert.match(answer.body.error, /value of the run request/);
  }
  assertAnswer(await runtime.run({}), 200, {});
  assertAnswer(await runtime.run([1, { two: 2 }]), 200, [1, { two: 2 }]);
});

test('arguments come back unchanged: unicode and a megabyte', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init(ECHO);
  const unicode = { winter: '❄ ☃ ❄', 'ключ': '日本 \u0000 "quoted"', astral: '😀' };
  assertAnswer(await runtime.run(unicode), 200, unicode);
  const large = { text: 'é'.repeat(1 << 20) };
  assertAnswer(await runtime.run(large), 200, large);
});

test('unknown routes, methods and bad JSON get 500', async (t) => {
  const runtime = await Runtime.start(t);
  const bad = { error: 'Bad request.' };
  assertAnswer(await runtime.post('/nothing', {}), 500, bad);
  assertAnswer(await runtime.send('GET', '/run', ''), 500, bad);
  assertAnswer(await runtime.send('POST', '/init', '{"value":'), 500, bad);
  assertAnswer(await runtime.send('POST', '/run', '7'), 500, bad);
});

test('init environment is set before the code is evaluated, non-strings as JSON', async (t) => {
  const runtime = await Runtime.start(t);
  const code = `const seen = { ...process.env };
    function main() { return { text: seen.TEXT, object: seen.OBJECT, number: seen.NUMBER, none: seen.NONE, listen: seen.OW_LISTEN ?? 'absent' }; }`;
  await runtime.init(code, { env: { TEXT: 'a b', OBJECT: { x: [1] }, NUMBER: 5, NONE: null } });
  assertAnswer(await runtime.run(), 200, { text: 'a b', object: '{"x":[1]}', number: '5', none: 'null', listen: 'absent' });
});

test('an init parameter that can be no variable name fails init by name', async (t) => {
  const runtime = await Runtime.start(t);
  const answer = await runtime.init(ECHO, { env: { 'a=b': 'c' } });
  assert.strictEqual(answer.status, 502);
  assert.match(answer.body.error, /init parameter "a=b" cannot be the name/);
});

test('each run member is a variable, for child processes too, and none survives its run', async (t) => {
  const runtime = await Runtime.start(t);
  const code = `function main() {
      const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('__OW_')));
      const child = require('child_process').execFileSync('env').toString();
      return { own, child: child.split('\\n').filter((line) => line.startsWith('__OW_')).sort() };
    }`;
  await runtime.init(code, { env: { __OW_NAMESPACE: 'from-init' } });
  const first = {
    namespace: 'guest', action_name: '/guest/a', action_version: '0.0.1', activation_id: 'id1', transaction_id: 'tid1',
    deadline: '1700000000000', api_key: 'k:s', cache_token: 'ct', cache_url: 'redis://c', attempt: 2,
  };
  const expected = Object.fromEntries(Object.entries(first).map(([name, value]) => [`__OW_${name.toUpperCase()}`, String(value)]));
  const { body } = await runtime.run({}, first);
  assert.deepStrictEqual({ ...body.own }, expected);
  assert.deepStrictEqual(body.child, Object.entries(expected).map(([name, value]) => `${name}=${value}`).sort());

  const second = await runtime.run({}, { activation_id: 'id2', api_key: null });
  assert.deepStrictEqual(second.body.own, { __OW_NAMESPACE: 'from-init', __OW_ACTIVATION_ID: 'id2' });
  assert.deepStrictEqual(second.body.child, ['__OW_ACTIVATION_ID=id2', '__OW_NAMESPACE=from-init']);
});

test('what init says of the cache is about one activation and no other sees it', async (t) => {
  const runtime = await Runtime.start(t);
  const code = 'const seen = process.env.__OW_CACHE_TOKEN; function main() { return { seen, url: process.env.__OW_CACHE_URL, token: process.env.__OW_CACHE_TOKEN }; }';
  await runtime.init(code, { env: { __OW_CACHE_URL: 'redis://c', __OW_CACHE_TOKEN: 'of-init' } });
  assertAnswer(await runtime.run({}, { cache_url: 'redis://d', cache_token: 't' }), 200, { seen: 'of-init', url: 'redis://d', token: 't' });
  assertAnswer(await runtime.run(), 200, { seen: 'of-init' });
  assertAnswer(await runtime.run({}, { cache_token: 't' }), 200, { seen: 'of-init', token: 't' });
});

test('process.env keeps its semantics: text only, deletable, seen by the C library', async (t) => {
  const runtime = await Runtime.start(t, { TZ: 'UTC', GONE: 'x' });
  await runtime.init(`function main() {
      const before = new Date(0).getHours();
      process.env.TZ = 'Asia/Tokyo';
      process.env.NUMBER = 5;
      delete process.env.GONE;
      return { before, after: new Date(0).getHours(), number: process.env.NUMBER, gone: 'GONE' in process.env };
    }`);
  assertAnswer(await runtime.run(), 200, { before: 0, after: 9, number: '5', gone: false });
});

test('the context argument tells about this activation', async (t) => {
  const runtime = await Runtime.start(t, { __OW_API_HOST: 'https://api.example' });
  await runtime.init('function main(args, context) { return { ...context, left: context.getRemainingTimeInMillis() }; }');
  const deadline = Date.now() + 60_000;
  const { body } = await runtime.run({}, {
    activation_id: 'id', namespace: 'guest', action_name: '/guest/a', action_version: '0.0.2', transaction_id: 't', deadline: String(deadline),
  });
  const { left, ...facts } = body;
  assert.ok(left > 0 && left <= 60_000, `left is ${left}`);
  assert.deepStrictEqual(facts, {
    activationId: 'id', namespace: 'guest', actionName: '/guest/a', actionVersion: '0.0.2', transactionId: 't', deadline, apiHost: 'https://api.example',
  });
  assert.strictEqual((await runtime.run({}, { api_key: 'k', deadline: '1' })).body.left, 0);
});

test('without concurrency a run during a run is refused', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init('let release; function main({ wait }) { return wait ? new Promise((done) => { console.log("in"); release = done; }) : {}; }');
  runtime.run({ wait: true }).catch(() => {});
  await waitFor(() => runtime.output.stdout.includes('in'), 'the first run');
  assertAnswer(await runtime.run(), 403, { error: 'System not ready, status is running.' });
});

test('with concurrency runs overlap, each with its own arguments and context', async (t) => {
  const runtime = await Runtime.start(t, { __OW_ALLOW_CONCURRENT: 'true' });
  await runtime.init(`const waiting = [];
    function main({ n, of }, context) {
      return new Promise((done) => {
        waiting.push(() => done({ n, id: context.activationId }));
        if (waiting.length === of) waiting.forEach((release) => release());
      });
    }`);
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  const answers = await Promise.all(numbers.map((n) => runtime.run({ n, of: 20 }, { activation_id: `id${n}` })));
  assert.deepStrictEqual(answers.map(({ body }) => body), numbers.map((n) => ({ n, id: `id${n}` })));
  await runtime.logs(19);
});

function exchange(socketPath, text) {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = net.connect(socketPath, () => socket.write(text));
    socket.setEncoding('utf8').on('data', (part) => (answer += part)).on('close', () => resolve(answer)).on('error', reject);
  });
}

test('framing: pipelined and split requests are answered in order, close is honoured', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init(ECHO);
  const request = (n, more = '') => `POST /run HTTP/1.1\r\nHost: x\r\n${more}content-length: 18\r\n\r\n{"value":{"n":${n}}} `;
  const answer = await exchange(runtime.socketPath, request(1) + request(2) + request(3, 'Connection: close\r\n'));
  assert.deepStrictEqual(answer.match(/\{.*?\}/g), ['{"n":1}', '{"n":2}', '{"n":3}']);

  const socket = net.connect(runtime.socketPath);
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => (text += part));
  for (const part of [request(4).slice(0, 9), request(4).slice(9, -5), request(4).slice(-5)]) {
    socket.write(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => text.endsWith('{"n":4}'), 'the answer');
  socket.destroy();
});

test('framing: what is no request is answered and closed', async (t) => {
  const runtime = await Runtime.start(t);
  const cases = [
    ['nonsense\r\n\r\n', /^HTTP\/1.1 400 .*malformed request line/s],
    ['POST /run HTTP/1.1\r\nContent-Length: x\r\n\r\n', /^HTTP\/1.1 400 .*malformed content-length/s],
    ['POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', /^HTTP\/1.1 411 /],
    ['POST /init HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n', /^HTTP\/1.1 413 .*larger than allowed/s],
    [`POST /run HTTP/1.1\r\nX: ${'y'.repeat(70_000)}`, /^HTTP\/1.1 431 /],
  ];
  for (const [text, expected] of cases) assert.match(await exchange(runtime.socketPath, text), expected);
});

test('a peer that expects 100 Continue gets it', async (t) => {
  const runtime = await Runtime.start(t);
  let text = '';
  const socket = net.connect(runtime.socketPath);
  socket.setEncoding('utf8').on('data', (part) => (text += part));
  socket.write('POST /init HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  await waitFor(() => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'), '100 Continue');
  socket.write('{}');
  await waitFor(() => text.includes('HTTP/1.1 403 '), 'the answer');
  socket.destroy();
});

test('it listens on TCP as well', async (t) => {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ow-test-'));
  const env = { OW_LISTEN: `tcp:127.0.0.1:${port}`, TMPDIR: folder };
  const child = spawn(process.execPath, [SERVER], { env, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    fs.rmSync(folder, { recursive: true, force: true });
  });
  let answer = null;
  const url = `http://127.0.0.1:${port}/run`;
  const ask = () => fetch(url, { method: 'POST', body: '{}' }).then(async (got) => (answer = [got.status, await got.json()]), () => {});
  while (answer === null && child.exitCode === null) await ask();
  assert.deepStrictEqual(answer, [403, { error: 'System not initialized.' }]);
});

test('a listening address that cannot be used ends the process with one line', () => {
  const start = (listen) => spawnSync(process.execPath, [SERVER], { env: { OW_LISTEN: listen }, encoding: 'utf8' });
  for (const [listen, expected] of [
    ['somewhere', /^nodejs runtime: OW_LISTEN is 'somewhere' but must be unix:\/path or tcp:HOST:PORT\n$/],
    ['unix:/nonexistent/x.sock', /^nodejs runtime: cannot listen on unix:\/nonexistent\/x.sock: .*\n$/],
  ]) {
    const { status, stderr } = start(listen);
    assert.strictEqual(status, 1);
    assert.match(stderr, expected);
  }
});
