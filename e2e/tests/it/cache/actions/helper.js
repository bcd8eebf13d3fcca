// Calls of the helper as it is told: [[name, argument...]...]
async function main({ calls }, { cache }) {
  const replies = [];
  for (const [name, ...rest] of calls) {
    try {
      if (name === 'command') replies.push(await cache.client().command(...rest));
      else if (name === 'compute') replies.push(await cache.getOrCompute(rest[0], { ttl: 60 }, async () => rest[1]));
      else replies.push((await cache[name](...rest)) ?? null);
    } catch (error) {
      replies.push(`${error.constructor.name}: ${error.message}`);
    }
  }
  return { replies };
}
