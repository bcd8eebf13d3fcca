'use strict';
// Unpacks zip and tar.gz archives: a sandbox need not have `unzip` or `tar`.
//
// Reading is pure (bytes in, entries out); `unpack` alone touches the disk. An entry is
// {name, type: 'file' | 'directory' | 'symlink', mode, data?, target?}.

const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

const FILE_TYPE_MASK = 0o170000;
const SYMLINK_TYPE = 0o120000;
const PERMISSION_MASK = 0o777;

// --- zip -----------------------------------------------------------------------------------------

const ZIP_END = 0x06054b50;
const ZIP_END_BYTES = 22;
const ZIP_COMMENT_MAX = 0xffff;
const ZIP_CENTRAL = 0x02014b50;
const ZIP_CENTRAL_BYTES = 46;
const ZIP_LOCAL = 0x04034b50;
const ZIP_LOCAL_BYTES = 30;
const ZIP_ENCRYPTED = 1;
const ZIP_STORED = 0;
const ZIP_DEFLATED = 8;
const ZIP64_MARK = 0xffffffff;

/** The entries of a zip archive. Throws an Error for what is damaged, encrypted or of the zip64 kind. */
function readZip(bytes) {
  const end = findZipEnd(bytes);
  const count = bytes.readUInt16LE(end + 10);
  let offset = bytes.readUInt32LE(end + 16);
  if (offset === ZIP64_MARK || count === 0xffff) throw new Error('zip64 archives are not supported');
  const entries = [];
  for (let index = 0; index < count; index++) {
    if (bytes.readUInt32LE(offset) !== ZIP_CENTRAL) throw new Error('the zip directory is damaged');
    const nameLength = bytes.readUInt16LE(offset + 28);
    entries.push(readZipEntry(bytes, offset, nameLength));
    offset += ZIP_CENTRAL_BYTES + nameLength + bytes.readUInt16LE(offset + 30) + bytes.readUInt16LE(offset + 32);
  }
  return entries;
}

function findZipEnd(bytes) {
  const lowest = Math.max(0, bytes.length - ZIP_END_BYTES - ZIP_COMMENT_MAX);
  for (let offset = bytes.length - ZIP_END_BYTES; offset >= lowest; offset--) {
    if (bytes.readUInt32LE(offset) === ZIP_END) return offset;
  }
  throw new Error('the zip directory is missing');
}

function readZipEntry(bytes, offset, nameLength) {
  const name = bytes.toString('utf8', offset + ZIP_CENTRAL_BYTES, offset + ZIP_CENTRAL_BYTES + nameLength);
  if (bytes.readUInt16LE(offset + 8) & ZIP_ENCRYPTED) throw new Error(`'${name}' is encrypted`);
  const unixMode = bytes.readUInt32LE(offset + 38) >>> 16;
  const mode = unixMode & PERMISSION_MASK;
  if (name.endsWith('/')) return { name, type: 'directory', mode };

  const data = readZipData(bytes, offset, name);
  if ((unixMode & FILE_TYPE_MASK) === SYMLINK_TYPE) {
    return { name, type: 'symlink', mode, target: data.toString('utf8') };
  }
  return { name, type: 'file', mode, data };
}

function readZipData(bytes, offset, name) {
  const method = bytes.readUInt16LE(offset + 10);
  const packedSize = bytes.readUInt32LE(offset + 20);
  const size = bytes.readUInt32LE(offset + 24);
  const local = bytes.readUInt32LE(offset + 42);
  if ([packedSize, size, local].includes(ZIP64_MARK)) throw new Error('zip64 archives are not supported');
  if (bytes.readUInt32LE(local) !== ZIP_LOCAL) throw new Error(`'${name}' is damaged`);
  // Only the local header tells where the data starts: its extra field differs from the directory's.
  const start = local + ZIP_LOCAL_BYTES + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
  const packed = bytes.subarray(start, start + packedSize);

  let data;
  if (method === ZIP_STORED) data = packed;
  // The declared size bounds the output, so that a bomb cannot claim to be small.
  else if (method === ZIP_DEFLATED) data = size === 0 ? Buffer.alloc(0) : zlib.inflateRawSync(packed, { maxOutputLength: size });
  else throw new Error(`'${name}' uses the unsupported compression method ${method}`);
  if (data.length !== size || crc32(data) !== bytes.readUInt32LE(offset + 16)) throw new Error(`'${name}' is damaged`);
  return data;
}

let crcTable = null;

// zlib.crc32 came with Node.js 20.15; older ones get the textbook table.
function crc32(data) {
  if (zlib.crc32) return zlib.crc32(data);
  crcTable = crcTable || buildCrcTable();
  let crc = 0xffffffff;
  for (let index = 0; index < data.length; index++) crc = crcTable[(crc ^ data[index]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function buildCrcTable() {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    return crc;
  });
}

// --- tar -----------------------------------------------------------------------------------------

const TAR_BLOCK = 512;
const TAR_TYPES = { 0: 'file', '\0': 'file', 7: 'file', 1: 'hardlink', 2: 'symlink', 5: 'directory' };

/** The entries of an uncompressed tar archive (ustar, GNU long names, pax paths). */
function readTar(bytes) {
  const entries = [];
  let override = {};
  for (let offset = 0; offset + TAR_BLOCK <= bytes.length; ) {
    const header = bytes.subarray(offset, offset + TAR_BLOCK);
    if (header.every((byte) => byte === 0)) break;
    checkTarHeader(header);
    const size = tarNumber(header, 124, 12);
    const data = bytes.subarray(offset + TAR_BLOCK, offset + TAR_BLOCK + size);
    if (data.length !== size) throw new Error('the tar archive is cut short');
    offset += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;

    const flag = String.fromCharCode(header[156]);
    if (flag === 'L') override.path = tarText(data, 0, size);
    else if (flag === 'K') override.linkpath = tarText(data, 0, size);
    else if (flag === 'x') override = { ...override, ...readPax(data) };
    else if (flag !== 'g') {
      entries.push(tarEntry(header, flag, data, override, entries));
      override = {};
    }
  }
  return entries;
}

function tarEntry(header, flag, data, override, earlier) {
  const prefix = tarText(header, 257, 5) === 'ustar' && tarText(header, 345, 155);
  const ownName = tarText(header, 0, 100);
  const name = override.path || (prefix ? `${prefix}/${ownName}` : ownName);
  const target = override.linkpath || tarText(header, 157, 100);
  const mode = tarNumber(header, 100, 8) & PERMISSION_MASK;
  const type = TAR_TYPES[flag];
  if (type === undefined) throw new Error(`'${name}' has the unsupported tar type '${flag}'`);
  if (type !== 'hardlink') return { name, type, mode, data, target };
  const original = earlier.find((entry) => entry.name === target && entry.type === 'file');
  if (original === undefined) throw new Error(`'${name}' links to '${target}', which is not in the archive`);
  return { ...original, name };
}

function checkTarHeader(header) {
  let sum = 0;
  for (let index = 0; index < TAR_BLOCK; index++) {
    sum += index >= 148 && index < 156 ? 0x20 : header[index];
  }
  if (sum !== tarNumber(header, 148, 8)) throw new Error('the tar archive is damaged');
}

function tarText(bytes, start, length) {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end < 0 ? start + length : Math.min(end, start + length));
}

function tarNumber(header, start, length) {
  return parseInt(tarText(header, start, length).trim() || '0', 8);
}

// Records of the form "<length> <key>=<value>\n", the length counting the whole record.
function readPax(data) {
  const members = {};
  for (let offset = 0; offset < data.length; ) {
    const space = data.indexOf(0x20, offset);
    const length = parseInt(data.toString('latin1', offset, space), 10);
    if (!(length > 0)) throw new Error('the tar archive is damaged');
    const record = data.toString('utf8', space + 1, offset + length - 1);
    const equals = record.indexOf('=');
    members[record.slice(0, equals)] = record.slice(equals + 1);
    offset += length;
  }
  return members;
}

// --- writing -------------------------------------------------------------------------------------

function readEntries(bytes) {
  if (bytes.length >= 4 && bytes.readUInt16LE(0) === 0x4b50) return readZip(bytes);
  if (bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b) return readTar(zlib.gunzipSync(bytes));
  throw new Error('it is neither zip nor tar.gz');
}

/** The path below `root` that an entry's name means. Throws an Error for one that leads outside. */
function pathInside(root, name) {
  const full = path.resolve(root, name);
  if (path.isAbsolute(name) || name.includes('\0') || (full !== root && !full.startsWith(root + path.sep))) {
    throw new Error(`'${name}' lies outside of the archive`);
  }
  return full;
}

function writeEntries(root, entries) {
  const links = new Map();
  for (const entry of entries.filter(({ type }) => type === 'symlink')) {
    links.set(pathInside(root, entry.name), entry.target);
  }
  for (const entry of entries.filter(({ type }) => type !== 'symlink')) {
    const full = pathInside(root, entry.name);
    if (entry.type === 'directory') {
      fs.mkdirSync(full, { recursive: true });
      continue;
    }
    fs.mkdirSync(path.dirname(full), { recursive: true });
    fs.writeFileSync(full, entry.data, { mode: (entry.mode || 0o644) | 0o600 });
  }
  // Last, so that nothing is ever written through one. Where it points to is the action's own business: a virtual
  // environment links to the interpreter of its image, and what cannot be reached cannot be read through a link either.
  for (const [full, target] of links) {
    for (let folder = path.dirname(full); folder.startsWith(root + path.sep); folder = path.dirname(folder)) {
      if (links.has(folder)) throw new Error(`'${path.relative(root, full)}' lies below a link`);
    }
    fs.mkdirSync(path.dirname(full), { recursive: true });
    fs.symlinkSync(target, full);
  }
}

/**
 * Unpacks a zip or tar.gz archive, told apart by its first bytes, into `root`, an existing, empty, real path.
 * Throws an Error that says what is wrong with the archive.
 */
function unpack(bytes, root) {
  try {
    writeEntries(root, readEntries(bytes));
  } catch (error) {
    throw new Error(`There was an error uncompressing the action archive: ${error.message}.`, { cause: error });
  }
}

module.exports = { unpack };
