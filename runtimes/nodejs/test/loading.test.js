'use strict';
// Where the code comes from: single sources, zip, tar.gz, CommonJS, ES modules, and what can be wrong with it.

const assert = require('node:assert');
const { test } = require('node:test');
const { Runtime } = require('../testing/harness.js');
const { zip, tarGz } = require('../testing/archives.js');

const HELLO = 'exports.main = () => ({ hello: require("./lib/name.js") });';

async function check(t, init, expected) {
  const runtime = await Runtime.start(t);
  const answer = await init(runtime);
  assert.deepStrictEqual({ status: answer.status, body: answer.body }, { status: 200, body: { OK: true } });
  const { body } = await runtime.run();
  assert.deepStrictEqual(body, expected);
  assert.deepStrictEqual((await runtime.logs()).stderr, []);
}

const SOURCES = {
  'a local function': ['function main() { return { a: 1 }; }'],
  'a local constant, with a last line comment': ['const main = () => ({ a: 1 }); // end'],
  'strict code': ['"use strict";\nlet main = async () => ({ a: (function () { return this; })() === undefined ? 1 : 2 });'],
  'module.exports': ['module.exports.main = () => ({ a: 1 });'],
  'exports under another name': ['exports.niam = () => ({ a: 1 });', 'niam'],
  'a local under another name': ['function niam() { return { a: 1 }; }', 'niam'],
  'a member of a local': ['const api = { get: () => ({ a: 1 }) };', 'api.get'],
  'a reserved word as export': ['exports.default = () => ({ a: 1 });', 'default'],
  'require of a built-in': ['const os = require("os"); function main() { return { a: os.EOL.length }; }'],
  'a dynamic import': ['async function main() { return { a: (await import("node:os")).EOL.length }; }'],
  'an ES module': ['import os from "node:os";\nexport function main() { return { a: os.EOL.length }; }'],
  'an ES module with top-level await': ['export const main = await Promise.resolve(() => ({ a: 1 }));'],
  'an ES module with a default object': ['export default { main: () => ({ a: 1 }) };'],
  'an ES module with a default function': ['export default () => ({ a: 1 });', 'default'],
};
for (const [name, [code, main = 'main']] of Object.entries(SOURCES)) {
  test(`source: ${name}`, (t) => check(t, (runtime) => runtime.init(code, { main }), { a: 1 }));
}

test('source: the current directory is writable', (t) =>
  check(t, (runtime) => runtime.init('const fs = require("fs"); function main() { fs.writeFileSync("f", "x"); return { f: fs.readFileSync("f", "utf8") }; }'), { f: 'x' }));

const PACKAGE = { 'package.json': '{"main":"app.js"}', 'app.js': HELLO, 'lib/name.js': 'module.exports = "lib";' };
const ARCHIVES = {
  'package.json with main': [PACKAGE],
  'index.js alone': [{ 'index.js': HELLO, 'lib/name.js': 'module.exports = "lib";' }],
  'node_modules': [{ 'index.js': 'exports.main = () => ({ hello: require("dep") });', 'node_modules/dep/index.js': 'module.exports = "lib";' }],
  'file.func': [{ 'index.js': '', 'other.js': 'exports.run = () => ({ hello: "lib" });' }, 'other.run'],
  'file.func in a folder': [{ 'package.json': '{}', 'src/other.js': 'exports.run = () => ({ hello: "lib" });' }, 'src/other.run'],
  'the folder as current directory': [{ 'index.js': 'exports.main = () => ({ hello: require("fs").readFileSync("data.txt", "utf8") });', 'data.txt': 'lib' }],
  'type module': [{ 'package.json': '{"type":"module"}', 'index.js': 'import { name } from "./name.js"; export const main = () => ({ hello: name });', 'name.js': 'export const name = await "lib";' }],
  'an .mjs main': [{ 'package.json': '{"main":"app.mjs"}', 'app.mjs': 'export const main = () => ({ hello: "lib" });' }],
  'index.mjs alone': [{ 'index.mjs': 'export const main = () => ({ hello: "lib" });' }],
  'index.cjs beside type module': [{ 'package.json': '{"type":"module","main":"index.cjs"}', 'index.cjs': 'exports.main = () => ({ hello: "lib" });' }],
  'file.func of an .mjs': [{ 'package.json': '{}', 'other.mjs': 'export const run = () => ({ hello: "lib" });' }, 'other.run'],
  'links and modes': [{
    'index.js': 'exports.main = () => ({ hello: require("child_process").execFileSync("./bin/tool").toString().trim() + require("./alias.js") });',
    'bin/tool': { data: '#!/bin/sh\necho li\n', mode: 0o755 }, 'real/b.js': 'module.exports = "b";', 'alias.js': { link: 'real/b.js' },
  }],
};
ARCHIVES['links that lead out, as in virtual environments'] = [{
  'index.js': 'const { readlinkSync } = require("fs"); exports.main = () => ({ hello: readlinkSync("bin/up") === "../.." && readlinkSync("bin/node") === "/no/node" && "lib" });',
  'bin/up': { link: '../..' }, 'bin/node': { link: '/no/node' },
}];
for (const [name, [files, main = 'main']] of Object.entries(ARCHIVES)) {
  test(`zip: ${name}`, (t) => check(t, (runtime) => runtime.initArchive(zip(files), { main }), { hello: 'lib' }));
  test(`tar.gz: ${name}`, (t) => check(t, (runtime) => runtime.initArchive(tarGz(files), { main }), { hello: 'lib' }));
}
test('zip: stored members', (t) => check(t, (runtime) => runtime.initArchive(zip(PACKAGE, { stored: true })), { hello: 'lib' }));
test('tar.gz: long names', (t) => {
  const long = `${'deep/'.repeat(30)}x.js`;
  return check(t, (runtime) => runtime.initArchive(tarGz({ 'index.js': `exports.main = () => require("./${long}");`, [long]: 'module.exports = { x: 1 };' })), { x: 1 });
});

async function checkFailure(t, init, expected, logged = expected) {
  const runtime = await Runtime.start(t);
  const { status, body } = await init(runtime);
  assert.strictEqual(status, 502);
  assert.match(body.error, /^Initialization has failed due to: /);
  assert.match(body.error, expected);
  const { stderr } = await runtime.logs();
  assert.match(stderr.join('\n'), logged);
  assert.deepStrictEqual((await runtime.run()).body, { error: 'System not ready, status is stopped.' });
  assert.deepStrictEqual((await runtime.init('function main() {}')).body, { error: 'System not ready, status is stopped.' });
}

const damaged = zip({ 'index.js': 'exports.main = () => ({});'.repeat(9) });
damaged[45] ^= 0xff;
const FAILURES = {
  'a syntax error names file and line': [(r) => r.init('function main() {\n  return {;\n}'), /index\.cjs:2\n.*SyntaxError: Unexpected token ';'/s],
  'a syntax error in an ES module': [(r) => r.init('import "node:os";\nexport const main = ;'), /SyntaxError/, /index\.mjs:2/],
  'a throw while loading': [(r) => r.init('throw new Error("early");'), /Error: early\n {4}at .*index\.cjs:1:7/],
  'a missing entry point': [(r) => r.init('function other() {}'), /Action entrypoint 'main' is not a function\./],
  'an entry point that is no function': [(r) => r.init('const main = 5;'), /Action entrypoint 'main' is not a function\./],
  'an entry point that is no name': [(r) => r.init('function main() {}', { main: 'main();x' }), /Action entrypoint 'main\(\);x' is not a function\./],
  'a missing module': [(r) => r.init('require("no-such-thing");'), /Cannot find module 'no-such-thing'/],
  'an archive without a root module': [(r) => r.initArchive(zip({ 'sub/index.js': HELLO })), /must contain either package.json or index.js at the root/],
  'an archive whose module is missing': [(r) => r.initArchive(zip({ 'index.js': '' }), { main: 'gone.run' }), /Cannot find module .*gone/],
  'a damaged archive': [(r) => r.initArchive(damaged), /error uncompressing the action archive/],
  'a cut archive': [(r) => r.initArchive(damaged.subarray(0, 60)), /the zip directory is missing/],
  'a cut tar.gz': [(r) => r.initArchive(tarGz(PACKAGE).subarray(0, 90)), /error uncompressing the action archive/],
  'no archive at all': [(r) => r.initArchive(Buffer.from('hello there')), /it is neither zip nor tar\.gz/],
  'a zip that climbs out': [(r) => r.initArchive(zip({ 'index.js': '', '../out.js': '' })), /'\.\.\/out\.js' lies outside of the archive/],
  'a zip with an absolute name': [(r) => r.initArchive(zip({ '/tmp/out.js': '' })), /lies outside of the archive/],
  'a zip with a file below a link': [(r) => r.initArchive(zip({ 'index.js': '', a: { link: '..' }, 'a/b.js': '' })), /EEXIST/],
  'a tar.gz with a link below a link': [(r) => r.initArchive(tarGz({ 'index.js': '', a: { link: '..' }, 'a/b': { link: 'x' } })), /'a\/b' lies below a link/],
};
for (const [name, [init, expected, logged]] of Object.entries(FAILURES)) {
  test(`failure: ${name}`, (t) => checkFailure(t, init, expected, logged));
}
