'use strict';
// `context.cache` against a real Redis, alone and in actions.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { cacheOfActivation, endCache } = require('../cache/cache.js');
const { Runtime, waitFor } = require('../testing/harness.js');
const { NO_REDIS, Redis } = require('../testing/redis.js');

const skip = NO_REDIS && `skipped: ${NO_REDIS}`;

/** A Redis and a way to make caches that log in with its token and end with the test. */
async function setUp(t) {
  const redis = await Redis.start(t, 'token-1');
  const access = { url: redis.url, token: 'token-1' };
  const open = () => {
    const cache = cacheOfActivation(access);
    t.after(() => endCache(cache));
    return cache;
  };
  return { redis, access, open, cache: open() };
}

test('values: text, bytes, numbers, JSON, absence, expiry', { skip }, async (t) => {
  const { redis, cache } = await setUp(t);
  assert.strictEqual(await cache.get('none'), null);
  assert.strictEqual(await cache.getBuffer('none'), null);
  assert.strictEqual(await cache.getJson('none'), null);
  assert.strictEqual(await cache.set('ключ', 'текст ☃'), undefined);
  assert.strictEqual(await cache.get('ключ'), 'текст ☃');
  await cache.set('empty', '');
  assert.strictEqual(await cache.get('empty'), '');

  const bytes = Buffer.from([0, 13, 10, 255, 128]);
  await cache.set(bytes, bytes);
  assert.deepStrictEqual(await cache.getBuffer(bytes), bytes);
  await cache.set('view', new Uint8Array([1, 2, 3]).subarray(1));
  assert.deepStrictEqual(await cache.getBuffer('view'), Buffer.from([2, 3]));

  for (const [value, text] of [[1.5, '1.5'], [10n, '10'], [true, 'true'], [null, 'null'], [{ a: [1, 'é'] }, '{"a":[1,"é"]}'], [[], '[]']]) {
    await cache.set('v', value);
    assert.strictEqual(await cache.get('v'), text);
  }
  await cache.set('v', { a: 1 }, { ttl: 100 });
  assert.deepStrictEqual(await cache.getJson('v'), { a: 1 });
  assert.ok((await redis.do('PTTL', 'v')) > 90_000);
  await cache.set('v', 'no json', { ttl: 0.5 });
  assert.ok((await redis.do('PTTL', 'v')) <= 500);
  await assert.rejects(cache.getJson('v'), { name: 'CacheError', message: /"v" is not JSON/ });
  assert.strictEqual(await cache.delete('ключ', bytes, 'none'), 2);
});

test('large values come back whole', { skip }, async (t) => {
  const { cache } = await setUp(t);
  const large = Buffer.alloc(20 << 20, 'abc\r\n');
  await cache.set('large', large);
  assert.ok(large.equals(await cache.getBuffer('large')));
});

test('counters count, from when they were made', { skip }, async (t) => {
  const { redis, cache } = await setUp(t);
  assert.strictEqual(await cache.increment('n'), 1);
  assert.strictEqual(await cache.increment('n', 5), 6);
  assert.strictEqual(await cache.decrement('n', 2), 4);
  assert.strictEqual(await redis.do('TTL', 'n'), -1);
  assert.strictEqual(await cache.increment('m', 2, { ttl: 100 }), 2);
  await redis.do('PEXPIRE', 'm', 50_000);
  assert.strictEqual(await cache.increment('m', 1, { ttl: 100 }), 3);
  assert.ok((await redis.do('PTTL', 'm')) <= 50_000);
  await cache.set('text', 'x');
  await assert.rejects(cache.increment('text'), { name: 'CacheError', code: 'ERR' });
});

test('the plain client takes any command, and pipelines them', { skip }, async (t) => {
  const { cache } = await setUp(t);
  const client = cache.client();
  assert.strictEqual(client, cache.client());
  assert.strictEqual(await client.command('HSET', 'h', 'field', 'é'), 1);
  assert.deepStrictEqual(await client.command('HGETALL', 'h'), ['field', 'é']);
  assert.deepStrictEqual(await client.commandBuffers('HGET', 'h', 'field'), Buffer.from('é'));
  await assert.rejects(client.command('LPUSH', 'h', 1), { name: 'CacheError', code: 'WRONGTYPE' });
  const replies = await client.pipeline([['MULTI'], ['INCR', 'n'], ['EXEC'], ['LPUSH', 'h', 1], ['GET', 'none']]);
  assert.deepStrictEqual(replies.slice(0, 3), ['OK', 'QUEUED', [1]]);
  assert.strictEqual(replies[3].code, 'WRONGTYPE');
  assert.strictEqual(replies[4], null);
  assert.deepStrictEqual(await client.pipeline([]), []);
  const many = await client.pipeline(Array.from({ length: 2000 }, (_, n) => ['ECHO', `${n}`]));
  assert.deepStrictEqual(many, Array.from({ length: 2000 }, (_, n) => `${n}`));
  await assert.rejects(cache.client({ commandTimeout: 0.1 }).command('BLPOP', 'nothing', 5), { name: 'CacheTimeout' });
  assert.strictEqual(await client.command('PING'), 'PONG');
  client.close();
  assert.strictEqual(await client.command('PING'), 'PONG');
});

test('calls side by side get each its own reply', { skip }, async (t) => {
  const { redis, cache } = await setUp(t);
  const numbers = Array.from({ length: 500 }, (_, n) => n);
  await Promise.all(numbers.map((n) => cache.set(`k${n}`, n)));
  assert.deepStrictEqual(await Promise.all(numbers.map((n) => cache.get(`k${n}`))), numbers.map(String));
  assert.strictEqual(await redis.connections(), 1);
});

test('a token that is over is refused, and the next one goes on', { skip }, async (t) => {
  const { redis, access, cache } = await setUp(t);
  const client = cache.client();
  await cache.set('k', 'v');
  // RESET ends the login of a connection, as the proxy does between activations.
  assert.strictEqual(await client.command('RESET'), 'RESET');
  assert.strictEqual(await client.command('GET', 'k'), 'v');
  await redis.issue('token-2');
  await client.command('RESET');
  await assert.rejects(client.command('GET', 'k'), { name: 'CacheRefused', code: 'WRONGPASS' });
  access.token = 'token-2';
  assert.strictEqual(await client.command('GET', 'k'), 'v');
  // A connection that broke is made again, with the token of then.
  await redis.issue('token-3');
  access.token = 'token-3';
  await redis.dropConnections();
  for (const call of [() => cache.get('k'), () => client.command('GET', 'k')]) {
    // What was on its way when the connection broke may fail, and nothing after that.
    const value = await call().catch((error) => {
      assert.strictEqual(error.name, 'CacheUnavailable');
      return call();
    });
    assert.strictEqual(value, 'v');
  }
});

test('twenty callers in a process and three in others cause one computation', { skip }, async (t) => {
  const { redis, cache, open } = await setUp(t);
  let computed = 0;
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  const compute = async () => {
    computed++;
    await gate;
    return { n: computed };
  };
  const calls = Array.from({ length: 20 }, () => cache.getOrCompute('k', { ttl: 60 }, compute));
  await waitFor(() => computed === 1, 'the computation');
  const others = [open(), open(), open()].map((other) => other.getOrCompute('k', { ttl: 60 }, compute));
  const before = await redis.calls('set');
  while ((await redis.calls('set')) < before + 6) await new Promise(setImmediate);
  go();
  const values = await Promise.all([...calls, ...others]);
  assert.strictEqual(computed, 1);
  values.forEach((value) => assert.deepStrictEqual(value, { n: 1 }));
  assert.notStrictEqual(values[0], values[1]);
  assert.ok((await redis.do('PTTL', 'k')) > 50_000);
  assert.strictEqual(await redis.do('EXISTS', 'k:ow-lock'), 0);
  assert.deepStrictEqual(await cache.getOrCompute('k', {}, compute), { n: 1 });
});

test('a computation that fails fails its callers, and others compute', { skip }, async (t) => {
  const { redis, cache, open } = await setUp(t);
  let fail;
  const failing = cache.getOrCompute('k', {}, () => new Promise((resolve, reject) => (fail = reject)));
  const sharing = cache.getOrCompute('k', {}, () => 'not called');
  await waitFor(() => fail, 'the computation');
  const other = open().getOrCompute('k', () => 'from the other');
  const error = new Error('no luck');
  fail(error);
  const outcomes = await Promise.allSettled([failing, sharing, other]);
  assert.deepStrictEqual(outcomes.map(({ reason, value }) => reason ?? value), [error, error, 'from the other']);
  await assert.rejects(cache.getOrCompute('l', () => undefined), TypeError);
  assert.strictEqual(await redis.do('EXISTS', 'l:ow-lock'), 0);
  assert.strictEqual(await cache.getOrCompute('l', () => null), null);
  assert.strictEqual(await cache.get('l'), 'null');
});

test('a lock whose owner died expires, or the patience ends', { skip }, async (t) => {
  const { redis, cache } = await setUp(t);
  await redis.do('SET', 'k:ow-lock', 'a dead one', 'PX', 300);
  assert.strictEqual(await cache.getOrCompute('k', () => 1), 1);
  await redis.do('SET', 'l:ow-lock', 'a slow one');
  assert.strictEqual(await cache.getOrCompute('l', { maxWait: 0.05 }, () => 2), 2);
  assert.strictEqual(await redis.do('GET', 'l:ow-lock'), 'a slow one');
  // Of another owner after ours expired, the lock is left alone.
  const value = await cache.getOrCompute('m', { lockTtl: 0.01 }, async () => {
    while (await redis.do('EXISTS', 'm:ow-lock'));
    await redis.do('SET', 'm:ow-lock', 'the next');
    return 3;
  });
  assert.deepStrictEqual([value, await redis.do('GET', 'm:ow-lock')], [3, 'the next']);
});

test('a computed value that finds no room is given all the same', { skip }, async (t) => {
  const { redis, cache } = await setUp(t);
  const value = await cache.getOrCompute('k', async () => {
    await redis.do('CONFIG', 'SET', 'maxmemory', '1');
    return 'computed';
  });
  assert.strictEqual(value, 'computed');
  await assert.rejects(cache.set('k', 'v'), { name: 'CacheFull', code: 'OOM' });
});

test('an open connection keeps no process alive', { skip }, async (t) => {
  const { redis } = await setUp(t);
  const code = `const { cacheOfActivation, endCache } = require(${JSON.stringify(path.join(__dirname, '../cache/cache.js'))});
    const cache = cacheOfActivation({ url: '${redis.url}', token: 'token-1' });
    const alive = setInterval(() => {}, 1000);
    cache.set('k', 'v').then(() => clearInterval(alive));`;
  const child = spawn(process.execPath, ['-e', code], { stdio: 'inherit' });
  t.after(() => child.kill('SIGKILL'));
  let ended = null;
  child.on('exit', (status) => (ended = { status }));
  await waitFor(() => ended, 'the process to end');
  assert.deepStrictEqual(ended, { status: 0 });
});

const ACTION = `
const seen = { url: process.env.__OW_CACHE_URL, token: process.env.__OW_CACHE_TOKEN };
async function main({ set, own }, context) {
  if (own) return { ...process.env, seen };
  try {
    if (set) await context.cache.set('k', set);
    return { value: await context.cache.get('k'), loaded: Object.keys(require.cache).some((file) => file.endsWith('cache.js')) };
  } catch (error) {
    return { name: error.name, message: error.message, typed: error instanceof context.cache.errors.CacheError };
  }
}`;

test('in an action: one connection for all activations, none for those without a cache', { skip }, async (t) => {
  const { redis } = await setUp(t);
  const runtime = await Runtime.start(t);
  await runtime.init(ACTION, { env: { __OW_CACHE_URL: redis.url, __OW_CACHE_TOKEN: 'token-0' } });
  const { body: own } = await runtime.run({ own: true });
  assert.deepStrictEqual(own.seen, { url: redis.url, token: 'token-0' });
  assert.deepStrictEqual(Object.keys(own).filter((name) => name.startsWith('__OW_CACHE')), []);

  const first = await runtime.run({ set: 'v' }, { cache_url: redis.url, cache_token: 'token-1' });
  assert.deepStrictEqual(first.body, { value: 'v', loaded: true });
  await redis.issue('token-2');
  const second = await runtime.run({}, { cache_url: redis.url, cache_token: 'token-2' });
  assert.strictEqual(second.body.value, 'v');
  assert.strictEqual(await redis.connections(), 1);

  const without = await runtime.run({});
  assert.deepStrictEqual([without.body.name, without.body.typed], ['CacheUnavailable', true]);
  const failed = await runtime.run({}, { cache_error: 'the proxy is away' });
  assert.strictEqual(failed.body.message, 'the cache is not available: the proxy is away');
  const after = await runtime.run({ own: true });
  assert.deepStrictEqual(Object.keys(after.body).filter((name) => name.startsWith('__OW_CACHE')), []);
});

test('in an action with concurrency: each activation has a connection with its own token', { skip }, async (t) => {
  const { redis } = await setUp(t);
  for (const n of [1, 2, 3]) await redis.do('ACL', 'SETUSER', 'default', 'on', `>token-${n}`);
  const runtime = await Runtime.start(t, { __OW_ALLOW_CONCURRENT: 'true' });
  await runtime.init(`const waiting = [];
    let kept;
    async function main({ n, of, late }, context) {
      if (late) return { name: await kept.get('k').catch((error) => error.name) };
      await new Promise((done) => {
        waiting.push(done);
        if (waiting.length === of) waiting.splice(0).forEach((release) => release());
      });
      kept = context.cache;
      const id = await context.cache.client().command('CLIENT', 'ID');
      await context.cache.set('k' + n, n);
      return { n: await context.cache.get('k' + n), id, token: context.cacheToken };
    }`);
  const run = (n, of) => runtime.run({ n, of }, { cache_url: redis.url, cache_token: `token-${n}` }).then(({ body }) => body);
  const [one, two] = await Promise.all([run(1, 2), run(2, 2)]);
  assert.deepStrictEqual([one.n, two.n, one.token, two.token], ['1', '2', 'token-1', 'token-2']);
  assert.notStrictEqual(one.id, two.id);
  assert.deepStrictEqual((await runtime.run({ late: true })).body, { name: 'CacheRefused' });
  // A connection that is left over is used again, with the token of the one who uses it; a plain client's is not.
  const [accepted, logins] = [await redis.accepted(), await redis.calls('auth')];
  assert.strictEqual((await run(3, 1)).n, '3');
  assert.deepStrictEqual([(await redis.accepted()) - accepted, (await redis.calls('auth')) - logins], [1, 2]);
});
