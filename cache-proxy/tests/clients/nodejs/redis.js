// The npm package `redis`, as people use it, against the cache.
'use strict';

const assert = require('node:assert');
const { createClient } = require('redis');
const { Control, url } = require('./control.js');

async function features(token, RESP) {
    const client = await createClient({ url: url(token), RESP }).on('error', fail).connect();
    await client.flushDb();
    await client.set('key', 'value', { EX: 60 });
    assert.strictEqual(await client.get('key'), 'value');
    assert.strictEqual(await client.get('none'), null);
    await client.hSet('hash', { a: '1', b: '2' });
    assert.deepStrictEqual({ ...await client.hGetAll('hash') }, { a: '1', b: '2' });
    await client.zAdd('sorted', [{ score: 1.5, value: 'x' }]);
    assert.deepStrictEqual((await client.zRangeWithScores('sorted', 0, -1)).map((item) => ({ ...item })), [{ value: 'x', score: 1.5 }]);
    // Sent in one piece.
    const counted = await Promise.all(Array.from({ length: 1000 }, () => client.incr('n')));
    assert.strictEqual(counted[999], 1000);
    assert.deepStrictEqual(await client.multi().set('m', '1').incr('m').get('m').exec(), ['OK', 2, '2']);
    const found = [];
    for await (const keys of client.scanIterator({ MATCH: '*', COUNT: 10 })) found.push(...keys);
    assert.deepStrictEqual(found.sort(), ['hash', 'key', 'm', 'n', 'sorted']);
    await assert.rejects(client.keys('*'), /NOPERM/);
    await assert.rejects(client.eval('return 1'), /NOPERM/);

    const watcher = await client.duplicate().connect();
    await watcher.watch('m');
    await client.set('m', 'changed');
    await assert.rejects(watcher.multi().set('m', 'mine').exec(), /watch/i);

    const waiter = await client.duplicate().connect();
    const waiting = waiter.blPop('list', 0);
    await client.rPush('list', 'x');
    assert.deepStrictEqual({ ...await waiting }, { key: 'list', element: 'x' });

    const subscriber = await client.duplicate().connect();
    let heard;
    const message = new Promise((resolve) => { heard = resolve; });
    await subscriber.subscribe('channel', heard);
    await subscriber.pSubscribe('other*', () => {});
    assert.strictEqual(await client.publish('channel', 'hello'), 1);
    assert.strictEqual(await message, 'hello');
    await subscriber.unsubscribe();
    await subscriber.pUnsubscribe();

    await client.xAdd('stream', '*', { field: 'value' });
    const read = await client.xRead([{ key: 'stream', id: '0' }], { COUNT: 1 });
    assert.ok(JSON.stringify(read).includes('value'));
    for (const each of [watcher, waiter, subscriber, client]) each.destroy();
}

async function warm(control, RESP) {
    let token = await control.begin();
    const client = await createClient({ url: url(token), RESP, socket: { reconnectStrategy: false } }).on('error', fail).connect();
    let reconnects = 0;
    client.on('reconnecting', () => { reconnects += 1; });
    for (let round = 1; round <= 300; round += 1) {
        assert.strictEqual(await client.incr('rounds'), round);
        assert.deepStrictEqual(await client.multi().set('m', String(round)).get('m').exec(), ['OK', String(round)]);
        await control.end();
        await assert.rejects(client.get('rounds'), /NOAUTH/);
        token = await control.begin();
    }
    await client.del('rounds');
    await control.end();
    assert.strictEqual(reconnects, 0);
    client.destroy();
}

function fail(error) {
    console.error(error);
    process.exit(1);
}

(async () => {
    const control = new Control();
    for (const RESP of [2, 3]) {
        await features(await control.begin(), RESP);
        await control.end();
        await warm(control, RESP);
    }
    control.close();
})().catch(fail);
