'use strict';
// A tile of a map from a store that is slow to answer, with one of four caches. `variant` and `store` are bound to the action, the tile
// is in the request. The result has the shape of a web action's: a status, headers, a body in base64.

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const SECONDS = 3600;
const STORE_TIMEOUT_MS = 10000;
/** As much as a container's memory may be used for tiles. */
const MEMORY_BYTES = 32 * 1024 * 1024;

const agent = new http.Agent({ keepAlive: true });
/** This container: what is in global scope lives as long as it does. */
const container = crypto.randomBytes(6).toString('hex');
const node = nodeName();
const memory = new Map();
let memoryBytes = 0;

/**
 * The platform does not say where an action runs, so this is what all sandboxes of one invoker see alike, and those of no other:
 * when the kernel was started, and the address of the name server, which is the invoker's own in a sandbox.
 */
function nodeName() {
  const seen = ['/proc/sys/kernel/random/boot_id', '/etc/resolv.conf'].map((path) => {
    try {
      return fs.readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  });
  return crypto.createHash('sha256').update(seen.join('\n')).digest('hex').slice(0, 8);
}

const VARIANTS = {
  none: { get: async () => null, set: async () => {} },
  memory: {
    get: async (key) => memory.get(key) ?? null,
    async set(key, tile) {
      memoryBytes += tile.length - (memory.get(key)?.length ?? 0);
      memory.set(key, tile);
      for (const [oldest, { length }] of memory) {
        if (memoryBytes <= MEMORY_BYTES) break;
        memory.delete(oldest);
        memoryBytes -= length;
      }
    },
  },
  // Which of the two is meant stands in the action's annotation.
  local: cached(),
  global: cached(),
};

function cached() {
  return {
    get: (key, cache) => cache.getBuffer(key),
    // Awaited: what an activation leaves behind when it ends is not done.
    set: (key, tile, cache) => cache.set(key, tile, { ttl: SECONDS }),
  };
}

function fetchTile(store, key) {
  return new Promise((resolve, reject) => {
    const request = http.get(`${store}/${key}.png`, { agent, timeout: STORE_TIMEOUT_MS }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(parts));
        else reject(new Error(`the store answers ${response.statusCode}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error('the store does not answer')));
    request.on('error', reject);
  });
}

/** What `work` gives, with the milliseconds it took added to `spent[name]`. */
async function timed(spent, name, work) {
  const begin = performance.now();
  try {
    return await work();
  } finally {
    spent[name] += performance.now() - begin;
  }
}

async function main({ z, x, y, variant, store }, context) {
  const key = `${z}/${x}/${y}`;
  const { get, set } = VARIANTS[variant];
  const spent = { cache: 0, fetch: 0 };
  const headers = { 'Content-Type': 'image/png', 'X-Node': node, 'X-Container': container };
  // A cache that is away makes an action slower, not wrong.
  const attempt = (work) =>
    timed(spent, 'cache', work).catch((error) => {
      headers['X-Cache-Error'] = error.name;
      return null;
    });

  let tile = await attempt(() => get(key, context.cache));
  headers['X-Cache'] = tile ? 'hit' : 'miss';
  if (!tile) {
    tile = await timed(spent, 'fetch', () => fetchTile(store, key));
    await attempt(() => set(key, tile, context.cache));
  }
  headers['X-Cache-Ms'] = spent.cache.toFixed(3);
  headers['X-Fetch-Ms'] = spent.fetch.toFixed(3);
  return { statusCode: 200, headers, body: tile.toString('base64') };
}
