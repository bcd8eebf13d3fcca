'use strict';
// What an action may answer, throw and reject with, and what becomes of its logs.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { test } = require('node:test');
const { Runtime, SENTINEL, SERVER, waitFor } = require('../testing/harness.js');

async function runCode(t, code, value = {}) {
  const runtime = await Runtime.start(t);
  assert.strictEqual((await runtime.init(code)).status, 200);
  const { status, body } = await runtime.run(value);
  return { runtime, status, body, logs: await runtime.logs() };
}

const RESULTS = {
  'a plain object': ['function main() { return { a: 1 }; }', { a: 1 }],
  'an array': ['function main() { return [1, 2]; }', [1, 2]],
  'nothing': ['function main() {}', {}],
  'a promise': ['function main() { return new Promise((done) => setTimeout(() => done({ later: true }), 5)); }', { later: true }],
  'a promise of nothing': ['async function main() {}', {}],
  'a thenable': ['function main() { return { then(done) { done({ thenable: 1 }); } }; }', { thenable: 1 }],
  'an error object': ['function main() { return { error: "no luck", more: 1 }; }', { error: 'no luck', more: 1 }],
};
for (const [name, [code, expected]] of Object.entries(RESULTS)) {
  test(`result: ${name}`, async (t) => {
    const { status, body } = await runCode(t, code);
    assert.deepStrictEqual({ status, body }, { status: 200, body: expected });
  });
}

for (const result of ['"text"', '5', 'null', 'true', '() => 1', 'Promise.resolve("later")', 'new Date(0)']) {
  test(`result: ${result} is no dictionary`, async (t) => {
    const { runtime, status, body, logs } = await runCode(t, `function main({ ok }) { return ok ? { ok } : ${result}; }`);
    assert.deepStrictEqual({ status, body }, { status: 502, body: { error: 'The action did not return a dictionary.' } });
    assert.match(logs.stderr[0], /^Result must be of type object but has type/);
    assert.deepStrictEqual((await runtime.run({ ok: 1 })).body, { ok: 1 });
  });
}

test('result: what JSON cannot hold is an error naming why', async (t) => {
  const { status, body, logs } = await runCode(t, 'function main() { const a = {}; a.a = a; return a; }');
  assert.strictEqual(status, 502);
  assert.match(body.error, /^An error has occurred: TypeError: Converting circular structure/);
  assert.match(logs.stderr[0], /circular/);
});

for (const [thrown, text] of [['Symbol("odd")', 'Symbol(odd)'], ['Object.create(null)', 'a value of type "object" without a text']]) {
  test(`result: ${thrown} thrown is an error as any other`, async (t) => {
    const { status, body } = await runCode(t, `function main() { throw ${thrown}; }`);
    assert.deepStrictEqual({ status, body }, { status: 502, body: { error: `An error has occurred: ${text}` } });
    const init = await (await Runtime.start(t)).init(`throw ${thrown};`);
    assert.deepStrictEqual({ status: init.status, body: init.body }, { status: 502, body: { error: `Initialization has failed due to: ${text}` } });
  });
}

const REJECTIONS = {
  'Promise.reject()': {},
  'Promise.reject("text")': 'text',
  'Promise.reject({ code: 7, nested: { a: [1] } })': { code: 7, nested: { a: [1] } },
  'Promise.reject(() => 1)': '[Function: anonymous]',
  'Promise.reject(5n)': '5',
  '(() => { const e = { n: 1 }; e.self = e; return Promise.reject(e); })()': { n: 1, self: '[Circular]' },
};
for (const [expression, expected] of Object.entries(REJECTIONS)) {
  test(`rejection: ${expression} is an application error`, async (t) => {
    const { runtime, status, body } = await runCode(t, `function main({ ok }) { return ok ? {} : ${expression}; }`);
    assert.deepStrictEqual({ status, body }, { status: 200, body: { error: expected } });
    assert.strictEqual((await runtime.run({ ok: 1 })).status, 200);
  });
}

test('rejection: an Error keeps name, message, stack, own members and cause', async (t) => {
  const { status, body } = await runCode(t, `async function main() {
    const error = new RangeError('too far', { cause: new Error('root') });
    error.code = 'EFAR';
    throw error;
  }`);
  assert.strictEqual(status, 200);
  const { stack, cause, ...rest } = body.error;
  assert.deepStrictEqual(rest, { name: 'RangeError', message: 'too far', code: 'EFAR' });
  assert.match(stack, /^RangeError: too far\n {4}at main \(.*index\.cjs:2:19\)/);
  assert.strictEqual(cause.message, 'root');
});

test('a throw is a developer error, logged with its line, and stops the runtime', async (t) => {
  const { runtime, status, body, logs } = await runCode(t, 'function main() {\n  console.log("before");\n  throw new Error("boom");\n}');
  assert.deepStrictEqual({ status, body }, { status: 502, body: { error: 'An error has occurred: Error: boom' } });
  assert.deepStrictEqual(logs.stdout, ['before']);
  assert.match(logs.stderr.join('\n'), /Error: boom\n {4}at main \(.*index\.cjs:3:9\)/);
  assert.deepStrictEqual((await runtime.run()).body, { error: 'System not ready, status is stopped.' });
});

for (const [name, code, expected] of [
  ['process.exit', 'function main() { console.log("bye"); process.exit(3); }', /^$/],
  ['an uncaught exception', 'function main() { setTimeout(() => { throw new Error("late"); }, 1); return new Promise(() => {}); }', /Error: late\n {4}at .*index\.cjs:1/],
  ['an unhandled rejection', 'function main() { Promise.reject(new Error("lost")); return new Promise(() => {}); }', /Error: lost/],
]) {
  test(`${name} breaks the connection and ends the process`, async (t) => {
    const runtime = await Runtime.start(t);
    await runtime.init(code);
    await assert.rejects(runtime.run(), /socket hang up|ECONNRESET/);
    assert.notStrictEqual((await runtime.waitForExit()).code, 0);
    await waitFor(() => expected.test(runtime.output.stderr), 'the stack');
    assert.ok(!runtime.output.stdout.includes(SENTINEL));
  });
}

test('logs end in one sentinel line per stream and run, on a line of its own, without empty lines', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init(`console.log('from init');
    function main({ text }) { process.stdout.write(text); console.error('err'); Promise.resolve().then(() => console.log('micro')); return {}; }`);
  await runtime.run({ text: 'é no newline' });
  await runtime.run({ text: 'newline\n' });
  await runtime.run({ text: '' });
  await runtime.logs(2);
  assert.strictEqual(runtime.output.stdout, `from init\né no newlinemicro\n${SENTINEL}\nnewline\nmicro\n${SENTINEL}\nmicro\n${SENTINEL}\n`);
  assert.strictEqual(runtime.output.stderr, `err\n${SENTINEL}\n`.repeat(3));
});

test('text without a newline does not glue the sentinel to it', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init('function main() { process.stdout.cork(); process.stdout.write("out"); process.stderr.write("err"); return {}; }');
  await runtime.run();
  await runtime.logs();
  assert.deepStrictEqual(runtime.output, { stdout: `out\n${SENTINEL}\n`, stderr: `err\n${SENTINEL}\n` });
});

test('logs are in the pipe before the answer, also megabytes of them and with a slow reader', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init(`function main({ lines }) {
    for (let n = 0; n < lines; n++) { console.log(String(n).padStart(99)); console.error(String(n).padStart(99)); }
    return {};
  }`);
  runtime.child.stdout.pause();
  runtime.child.stderr.pause();
  let answered = false;
  const run = runtime.run({ lines: 30_000 }).then((answer) => {
    answered = true;
    return answer;
  });
  // Both pipes are full long before 3 MB are written: no answer may come until someone reads.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.strictEqual(answered, false);
  runtime.child.stdout.resume();
  runtime.child.stderr.resume();
  assert.strictEqual((await run).status, 200);
  const logs = await runtime.logs();
  for (const stream of ['stdout', 'stderr']) {
    assert.strictEqual(logs[stream].length, 30_000);
    logs[stream].forEach((line, n) => assert.strictEqual(Number(line), n));
  }
});

test('process.exit loses nothing that was logged', async (t) => {
  const runtime = await Runtime.start(t);
  await runtime.init('function main() { console.log("x".repeat(1 << 20)); process.exit(0); }');
  await assert.rejects(runtime.run());
  await runtime.waitForExit();
  await waitFor(() => runtime.output.stdout.length === (1 << 20) + 1, 'the whole line');
});

test('a non-blocking pipe is written in full', async (t) => {
  // Node makes the pipes of a child whose stdio it owns blocking; a shell in between leaves O_NONBLOCK on ours.
  const runtime = await Runtime.start(t);
  const socketPath = path.join(runtime.folder, 'nonblocking.sock');
  const script = `require('net'); process.stdout._handle.setBlocking(false);
    process.env.OW_LISTEN = 'unix:${socketPath}'; require(${JSON.stringify(SERVER)});`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  const ended = new Promise((resolve) => child.on('exit', resolve));
  try {
    await waitFor(() => fs.existsSync(socketPath), 'the server to listen');
    runtime.socketPath = socketPath;
    await runtime.init('function main() { console.log("y".repeat(1 << 20)); return {}; }');
    child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
    await runtime.run();
    await waitFor(() => text.endsWith(`${SENTINEL}\n`), 'the sentinel');
    assert.strictEqual(text, `${'y'.repeat(1 << 20)}\n${SENTINEL}\n`);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
});
