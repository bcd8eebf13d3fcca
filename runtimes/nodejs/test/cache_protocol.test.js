'use strict';
// The cache's protocol and connection without a real server: bytes, limits, and servers that misbehave.

const assert = require('node:assert');
const { test } = require('node:test');
const { cacheOfActivation, endCache } = require('../cache/cache.js');
const errors = require('../cache/errors.js');
const { ReplyReader, asText, encode } = require('../cache/resp.js');
const { fakeServer, freePort } = require('../testing/redis.js');
const { waitFor } = require('../testing/harness.js');

const MAX = 1 << 20;

function replies(bytes, step = bytes.length) {
  const reader = new ReplyReader();
  const all = [];
  for (let at = 0; at < bytes.length; at += step) {
    reader.push(bytes.subarray(at, at + step));
    for (let reply; (reply = reader.next(MAX)) !== undefined; ) all.push(reply);
  }
  return all;
}

/** The cache at `url`, with more patience than a busy machine needs; it ends with the test. */
function cacheAt(t, url, limits = { connectTimeout: 20, commandTimeout: 20 }) {
  const cache = cacheOfActivation({ url, token: 'token' });
  cache.configure(limits);
  t.after(() => endCache(cache));
  return cache;
}

/** A server that says `+OK` to AUTH and `answer` to what follows. */
function saying(t, answer) {
  return fakeServer(t, (socket, text) => socket.write(text.replace(/^\*2\r\n\$4\r\nAUTH[^*]*/, '+OK\r\n').replace(/\*[^]*/, answer), 'latin1'));
}

test('commands are binary safe and go out as one', () => {
  const bytes = encode([['SET', 'ключ', Buffer.from([0, 255, 13, 10])], ['INCRBY', 'n', -5], ['GET', new Uint8Array([1])], ['X', 7n]]);
  const expected = '*3\r\n$3\r\nSET\r\n$8\r\nключ\r\n$4\r\n\u0000ÿ\r\n\r\n*3\r\n$6\r\nINCRBY\r\n$1\r\nn\r\n$2\r\n-5\r\n*2\r\n$3\r\nGET\r\n$1\r\n\u0001\r\n*2\r\n$1\r\nX\r\n$1\r\n7\r\n';
  assert.strictEqual(bytes.toString('latin1'), expected.replace('ключ', Buffer.from('ключ').toString('latin1')));
  for (const bad of [undefined, null, {}, NaN, true]) assert.throws(() => encode([['GET', bad]]), TypeError);
  assert.throws(() => encode([[]]), TypeError);
});

test('replies are the same however their bytes are cut', () => {
  const bytes = Buffer.from('+OK\r\n:42\r\n:9223372036854775807\r\n$-1\r\n$0\r\n\r\n$4\r\na\r\nb\r\n*-1\r\n*0\r\n*3\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n-WRONGTYPE no\r\n');
  for (const step of [1, 2, 3, 7, bytes.length]) {
    const all = replies(bytes, step);
    const last = all.pop();
    assert.deepStrictEqual(asText(all), ['OK', 42, 9223372036854775807n, null, '', 'a\r\nb', null, []]);
    assert.deepStrictEqual(asText(last.slice(0, 2)), ['x', [1, null]]);
    assert.ok(last[2] instanceof errors.CacheError && last[2].code === 'WRONGTYPE');
  }
});

test('what is no reply, or too much of one, is refused before it is waited for', () => {
  const cases = [
    'HTTP/1.1 400 Bad Request\r\n', ':x\r\n', '$-2\r\n', '$99999999999999999999\r\n', `$${MAX + 1}\r\n`, `*${MAX}\r\n`,
    '*1\r\n'.repeat(40), '+'.padEnd(70_000, 'x'), `*3\r\n$${MAX - 20}\r\n${'x'.repeat(MAX - 20)}\r\n$40\r\n`,
  ];
  for (const text of cases) assert.throws(() => replies(Buffer.from(text)), errors.CacheError, text.slice(0, 30));
});

test('error replies become the errors they are', async (t) => {
  const cases = [
    ['NOPERM KEYS is not available in a cache', errors.CacheRefused, 'NOPERM'],
    ['OOM the namespace is over its quota', errors.CacheFull, 'OOM'],
    ['ERR quota exceeded: 100 commands a second', errors.CacheFull, 'ERR'],
    ["ERR the cache's server is away", errors.CacheUnavailable, 'ERR'],
    ["ERR the cache's server did not answer in time", errors.CacheTimeout, 'ERR'],
    ['WRONGTYPE Operation against a key', errors.CacheError, 'WRONGTYPE'],
  ];
  for (const [text, Kind, code] of cases) {
    const { url } = await saying(t, `-${text}\r\n`);
    const failure = await cacheAt(t, url).get('k').catch((error) => error);
    assert.deepStrictEqual([failure.constructor, failure.name, failure.message, failure.code], [Kind, Kind.name, text, code]);
  }
});

test('without a cache the error says what to do, and with a reason the reason', async () => {
  await assert.rejects(cacheOfActivation({}).get('k'), { name: 'CacheUnavailable', message: /no cache: give it the annotation cache=true/ });
  const cache = cacheOfActivation({ url: 'redis://127.0.0.1:1', error: 'the proxy is away' });
  await assert.rejects(cache.get('k'), { name: 'CacheUnavailable', message: 'the cache is not available: the proxy is away' });
  for (const url of ['http://x', 'redis://', 'redis://h:99999', 'rediss://h:1']) {
    await assert.rejects(cacheOfActivation({ url }).get('k'), { name: 'CacheUnavailable', message: /redis:\/\/host:port/ });
  }
});

test('a server that is not there is unavailable, and found again when it is', async (t) => {
  const port = await freePort();
  const cache = cacheAt(t, `redis://127.0.0.1:${port}`);
  await assert.rejects(cache.get('k'), { name: 'CacheUnavailable', message: new RegExp(`127.0.0.1:${port} cannot be reached: ECONNREFUSED`) });
  await assert.rejects(cache.getOrCompute('k', {}, () => 1), { name: 'CacheUnavailable' });
});

test('a reply that does not come ends in a CacheTimeout, and the next command has a fresh connection', async (t) => {
  const fake = await fakeServer(t, (socket, text, number) => {
    if (number > 0) socket.write('+OK\r\n$1\r\nv\r\n');
  });
  const cache = cacheAt(t, fake.url, { commandTimeout: 0.2 });
  const [first, second] = await Promise.allSettled([cache.get('a'), cache.get('b')]);
  assert.deepStrictEqual([first.reason.name, second.reason.name], ['CacheTimeout', 'CacheTimeout']);
  cache.configure({ commandTimeout: 20 });
  assert.strictEqual(await cache.get('c'), 'v');
  assert.strictEqual(fake.connections, 2);
});

test('what was sent is not repeated when the connection breaks or talks nonsense', async (t) => {
  for (const answer of ['', '+OK\r\n$10\r\ncut of', '+OK\r\nnonsense\r\n']) {
    let commands = 0;
    const fake = await fakeServer(t, (socket, text) => {
      commands += text.split('INCRBY').length - 1;
      socket.end(answer);
    });
    const cache = cacheAt(t, fake.url);
    await assert.rejects(cache.increment('n'), (error) => error instanceof errors.CacheError, JSON.stringify(answer));
    assert.strictEqual(commands, 1);
  }
});

test('a reply to nothing ends the connection, and a reply larger than allowed its command', async (t) => {
  const { url, sockets } = await saying(t, '$1\r\nv\r\n');
  const cache = cacheAt(t, url);
  assert.strictEqual(await cache.get('k'), 'v');
  const [socket] = sockets;
  socket.write('$1\r\nw\r\n');
  await waitFor(() => socket.destroyed, 'the end of the connection');
  assert.strictEqual(await cache.get('k'), 'v');
  const large = await saying(t, '$100000\r\n');
  await assert.rejects(cacheAt(t, large.url, { maxReplyBytes: 1000 }).get('k'), /larger than 1000 bytes/);
});

test('an idle connection that ended unnoticed costs no command', async (t) => {
  const fake = await saying(t, '$1\r\nv\r\n');
  const cache = cacheAt(t, fake.url);
  assert.strictEqual(await cache.get('k'), 'v');
  for (const socket of fake.sockets) socket.destroy();
  // The process stands still, as when frozen: it cannot have read the end.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  assert.strictEqual(await cache.get('k'), 'v');
  assert.strictEqual(fake.connections, 2);

  // Nor does one that an activation has left to the next.
  endCache(cache);
  const next = cacheAt(t, fake.url);
  assert.strictEqual(await next.get('k'), 'v');
  assert.strictEqual(fake.connections, 2);
  endCache(next);
  for (const socket of fake.sockets) socket.destroy();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  assert.strictEqual(await cacheAt(t, fake.url).get('k'), 'v');
  assert.strictEqual(fake.connections, 3);
});

test('a time-out that passes while the process stands still does not count', async (t) => {
  const fake = await saying(t, '$1\r\nv\r\n');
  const cache = cacheAt(t, fake.url, { commandTimeout: 0.2 });
  assert.strictEqual(await cache.get('k'), 'v');
  const waiting = cache.get('k');
  await new Promise(setImmediate);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  assert.strictEqual(await waiting, 'v');
  assert.strictEqual(fake.connections, 1);
});

test('a failure that nobody waits for ends nothing', async (t) => {
  const seen = [];
  const listen = (reason) => seen.push(reason);
  process.on('unhandledRejection', listen);
  t.after(() => process.off('unhandledRejection', listen));
  const cache = cacheAt(t, `redis://127.0.0.1:${await freePort()}`);
  cache.set('k', 'v');
  cache.set(undefined, 'v');
  cache.client().command('PING');
  cache.client().pipeline([['PING']]);
  cache.getOrCompute('k', {}, () => Promise.reject(new Error('never called')));
  await assert.rejects(cache.get('k'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepStrictEqual(seen, []);
});

test('after the activation the cache refuses, and arguments are checked', async (t) => {
  const cache = cacheAt(t, 'redis://127.0.0.1:1');
  for (const call of [() => cache.get(5), () => cache.set('k', undefined), () => cache.set('k', 'v', { ttl: 0 }), () => cache.set('k', NaN),
    () => cache.increment('k', 0.5), () => cache.getOrCompute('k', {}), () => cache.client().command('SUBSCRIBE', 'c')]) {
    await assert.rejects(call, TypeError);
  }
  for (const limits of [{ colour: 1 }, { commandTimeout: 0 }, { connectTimeout: '1' }]) {
    assert.throws(() => cache.configure(limits), TypeError);
    assert.throws(() => cache.client(limits), TypeError);
  }
  assert.strictEqual(await cache.delete(), 0);
  endCache(cache);
  await assert.rejects(cache.get('k'), { name: 'CacheRefused', message: /activation is over/ });
  await assert.rejects(cache.client().command('PING'), { name: 'CacheRefused' });
});
