'use strict';
// From the `value` of /init to the function to call: single sources, archives, CommonJS and ES modules.

const fs = require('fs');
const path = require('path');
const os = require('os');
const vm = require('vm');
const { createRequire } = require('module');

/** What V8 says to module syntax in a script; each message means nothing else. */
const MODULE_SYNTAX =
  /Cannot use import statement outside a module|Unexpected token 'export'|Cannot use 'import\.meta' outside a module|await is only valid in async functions and the top level bodies of modules/;
const SYNTAX_CHECK_MILLISECONDS = 5000;
const IDENTIFIER_PATH = /^[\p{ID_Start}$_][\p{ID_Continue}$]*(\.[\p{ID_Start}$_][\p{ID_Continue}$]*)*$/u;
/** Under this name the line appended to a single source leaves the local that `main` names. */
const LOCAL_MAIN = 'openwhiskMain';

/**
 * Loads the action and moves the current directory to the fresh folder it lives in.
 * @param {{main: string, code: string, binary?: boolean}} action
 * @returns {Promise<Function>} the entry point; rejects with what is wrong with the code
 */
async function loadAction({ main, code, binary }) {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ow-action-')));
  process.chdir(folder);
  const entry = binary ? await loadArchive(folder, code, main) : await loadSource(folder, code, main);
  if (typeof entry !== 'function') throw new Error(`Action entrypoint '${main}' is not a function.`);
  return entry;
}

/**
 * Loads an action that does nothing and forgets it: what Node compiles and opens on the way is then there for the real
 * one. Changes nothing an action could see.
 */
function rehearse() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ow-rehearsal-'));
  const file = path.join(folder, 'index.cjs');
  try {
    fs.writeFileSync(file, 'function main() { return {}; }' + localMainLookup('main'));
    require(file);
    delete require.cache[file];
    module.children.pop();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

// The source goes through a file so that Node's own loader gives it everything a module has: `require`,
// `import()`, and stack traces that name file and line.
async function loadSource(folder, code, main) {
  if (hasModuleSyntax(code)) return loadModuleSource(path.join(folder, 'index.mjs'), code, main);
  const file = path.join(folder, 'index.cjs');
  fs.writeFileSync(file, code + localMainLookup(main));
  const exported = require(file);
  const local = require.cache[file]?.[LOCAL_MAIN];
  return local === undefined ? member(exported, main) : local;
}

async function loadModuleSource(file, code, main) {
  fs.writeFileSync(file, code);
  try {
    return moduleMember(await importFile(file), main);
  } catch (error) {
    if (error instanceof SyntaxError) addSyntaxPosition(error, file);
    throw error;
  }
}

/** Only the parser can tell module syntax from the same words in a string or a comment. */
function hasModuleSyntax(code) {
  if (!/\b(import|export)\b/.test(code)) return false;
  try {
    vm.compileFunction(code, ['exports', 'require', 'module', '__filename', '__dirname']);
    return false;
  } catch (error) {
    return MODULE_SYNTAX.test(error.message);
  }
}

// V8 keeps the position of a module's syntax error to itself and Node prints it only when it dies of one.
function addSyntaxPosition(error, file) {
  const { spawnSync } = require('child_process');
  const check = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: SYNTAX_CHECK_MILLISECONDS });
  if (check.status !== 0 && check.stderr) error.stack = `${check.stderr.split('\n\n', 1)[0]}\n${error.stack}`;
}

/** A line that hands out the local `main` names, or nothing where the name can be no local (`default`). */
function localMainLookup(main) {
  if (!IDENTIFIER_PATH.test(main)) return '';
  const first = main.split('.', 1)[0];
  try {
    new Function(first, '');
  } catch {
    return '';
  }
  return `\n;module.${LOCAL_MAIN} = typeof ${first} === 'undefined' ? undefined : ${main};`;
}

async function loadArchive(folder, code, main) {
  const { unpack } = require('./archive.js');
  unpack(Buffer.from(code, 'base64'), folder);
  const roots = ['package.json', 'index.js', 'index.mjs', 'index.cjs'];
  if (!roots.some((name) => fs.existsSync(path.join(folder, name)))) {
    throw new Error('Zipped actions must contain either package.json or index.js at the root.');
  }
  // `file.func` names a module of the archive, a bare `func` the package's main module.
  const dot = main.lastIndexOf('.');
  const file = resolveModule(folder, dot < 0 ? '' : main.slice(0, dot));
  const name = main.slice(dot + 1);
  return isEsModule(file) ? moduleMember(await importFile(file), name) : member(require(file), name);
}

/** Node's own rule: .mjs is one, .js is one where the nearest package.json says so. */
function isEsModule(file) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json');
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module';
    if (folder === path.dirname(folder)) return false;
  }
}

function resolveModule(folder, name) {
  const resolve = createRequire(path.join(folder, 'index.js')).resolve;
  const base = path.join(folder, name);
  // CommonJS resolution knows nothing of .mjs and .cjs; a name or main that it cannot find may be one of them.
  const more = name === '' ? ['/index.mjs', '/index.cjs'] : ['.mjs', '.cjs'];
  const candidates = [base, ...more.map((ending) => base + ending)];
  let first;
  for (const candidate of candidates) {
    try {
      return resolve(candidate);
    } catch (error) {
      first = first || error;
    }
  }
  throw first;
}

function importFile(file) {
  return import(require('url').pathToFileURL(file).href);
}

function member(exported, dottedName) {
  return dottedName.split('.').reduce((value, name) => (value == null ? undefined : value[name]), exported);
}

/** An export of that name, or a member of the default export. */
function moduleMember(namespace, dottedName) {
  const exported = member(namespace, dottedName);
  return exported === undefined ? member(namespace.default, dottedName) : exported;
}

module.exports = { loadAction, rehearse };
