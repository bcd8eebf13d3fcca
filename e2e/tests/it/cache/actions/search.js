// As search.py: one more than what is looked for, in all that this process can read.
const fs = require('fs');
const CHUNK = 4 << 20;

function main({ needles, since }) {
  const token = Buffer.from(process.env.__OW_CACHE_TOKEN);
  const wanted = Object.entries(needles).map(([name, text]) => [name, Buffer.from(text, 'hex')]);
  wanted.push(['token', Buffer.from(token.map((byte) => byte + 1))]);
  fs.writeFileSync('/tmp/own', token);
  const found = Object.fromEntries(wanted.map(([name]) => [name, new Set()]));
  const searched = {};
  const overlap = Math.max(...wanted.map(([, needle]) => needle.length));

  function search(kind, place, data) {
    searched[kind] = (searched[kind] ?? 0) + data.length;
    const moved = data.map((byte) => byte + 1);
    for (const [name, needle] of wanted) if (moved.includes(needle)) found[name].add(`${kind} ${place}`);
  }

  function searchFile(kind, path, start = null, end = Infinity) {
    let file;
    try {
      file = fs.openSync(path, 'r');
      for (let at = start; at === null || at < end; at += CHUNK - overlap) {
        const data = Buffer.alloc(Math.min(CHUNK, end - (at ?? 0)));
        const length = fs.readSync(file, data, 0, data.length, at);
        search(kind, path, data.subarray(0, length));
        if (length < CHUNK) break;
      }
    } catch {
      // Not for us.
    } finally {
      if (file !== undefined) fs.closeSync(file);
    }
  }

  search('environment', 'process.env', Buffer.from(JSON.stringify(process.env)));
  const processes = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => `/proc/${name}`);
  for (const one of processes) {
    for (const name of ['environ', 'cmdline', 'comm', 'status', 'mountinfo']) searchFile('process', `${one}/${name}`, 0);
    let maps = '';
    try {
      maps = fs.readFileSync(`${one}/maps`, 'latin1');
    } catch {
      // Not for us.
    }
    for (const [, start, end] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r/gm)) {
      // The last of them is no number for this language, and nobody's memory.
      if (start.length < 14) searchFile('memory', `${one}/mem`, parseInt(start, 16), parseInt(end, 16));
    }
  }
  (function walk(folder) {
    let entries = [];
    try {
      entries = fs.readdirSync(folder || '/', { withFileTypes: true });
    } catch {
      // Not for us.
    }
    for (const entry of entries) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory() && !['/proc', '/sys', '/dev'].includes(path)) walk(path);
      if (!entry.isFile()) continue;
      const { mtimeMs, ctimeMs } = fs.lstatSync(path);
      if (Math.max(mtimeMs, ctimeMs) >= since * 1000) searchFile('file', path, 0);
    }
  })('');
  return { found: Object.fromEntries(Object.entries(found).map(([name, places]) => [name, [...places]])), searched, processes };
}
