// The npm package `ioredis`, as people use it, against the cache.
'use strict';

const assert = require('node:assert');
const { Redis } = require('ioredis');
const { Control, url } = require('./control.js');

async function features(token) {
    const client = new Redis(url(token));
    client.on('error', fail);
    await client.flushdb();
    await client.set('key', 'value', 'EX', 60);
    assert.strictEqual(await client.get('key'), 'value');
    assert.strictEqual(await client.get('none'), null);
    await client.hset('hash', { a: '1', b: '2' });
    assert.deepStrictEqual(await client.hgetall('hash'), { a: '1', b: '2' });
    const pipeline = client.pipeline();
    for (let n = 0; n < 1000; n += 1) pipeline.incr('n');
    assert.deepStrictEqual((await pipeline.exec())[999], [null, 1000]);
    assert.deepStrictEqual(await client.multi().set('m', '1').incr('m').get('m').exec(), [[null, 'OK'], [null, 2], [null, '2']]);
    await client.multi({ pipeline: false });
    await client.set('m', '3');
    assert.deepStrictEqual((await client.exec())[0], [null, 'OK']);
    const found = [];
    for await (const keys of client.scanStream({ match: '*', count: 10 })) found.push(...keys);
    assert.deepStrictEqual(found.sort(), ['hash', 'key', 'm', 'n']);
    await assert.rejects(client.keys('*'), /NOPERM/);

    const watcher = client.duplicate();
    await watcher.watch('m');
    await client.set('m', 'changed');
    assert.strictEqual(await watcher.multi().set('m', 'mine').exec(), null);

    const waiter = client.duplicate();
    const waiting = waiter.blpop('list', 0);
    await client.rpush('list', 'x');
    assert.deepStrictEqual(await waiting, ['list', 'x']);

    const subscriber = client.duplicate();
    const message = new Promise((resolve) => { subscriber.on('message', (channel, text) => resolve([channel, text])); });
    assert.strictEqual(await subscriber.subscribe('channel', 'another'), 2);
    assert.strictEqual(await client.publish('channel', 'hello'), 1);
    assert.deepStrictEqual(await message, ['channel', 'hello']);
    await subscriber.unsubscribe();
    assert.strictEqual(await subscriber.get('key'), 'value');

    await client.xadd('stream', '*', 'field', 'value');
    assert.deepStrictEqual((await client.xread('STREAMS', 'stream', '0'))[0][1][0][1], ['field', 'value']);
    for (const each of [watcher, waiter, subscriber, client]) each.disconnect();
}

async function warm(control) {
    const client = new Redis(url(await control.begin()), { retryStrategy: () => null });
    client.on('error', fail);
    for (let round = 1; round <= 300; round += 1) {
        assert.strictEqual(await client.incr('rounds'), round);
        assert.deepStrictEqual((await client.multi().set('m', round).get('m').exec())[1], [null, String(round)]);
        await control.end();
        await assert.rejects(client.get('rounds'), /NOAUTH/);
        await control.begin();
    }
    await client.del('rounds');
    await control.end();
    client.disconnect();
}

function fail(error) {
    console.error(error);
    process.exit(1);
}

(async () => {
    const control = new Control();
    await features(await control.begin());
    await control.end();
    await warm(control);
    control.close();
})().catch(fail);
