'use strict';
// Builds the archives the tests send: {name: text | {link, data, mode}}.

const zlib = require('zlib');

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function members(files) {
  return Object.entries(files).map(([name, content]) => {
    const member = typeof content === 'object' ? content : { data: content };
    return { name, mode: 0o644, data: member.link || '', ...member };
  });
}

/** A zip archive with unix modes; `stored` leaves the members uncompressed. */
function zip(files, { stored = false } = {}) {
  const locals = [];
  const directory = [];
  let offset = 0;
  for (const { name, data, mode, link } of members(files)) {
    const raw = Buffer.from(data);
    const packed = stored ? raw : zlib.deflateRawSync(raw);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(stored ? 0 : 8, 4);
    shared.writeUInt32LE(crc32(raw), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(raw.length, 18);
    shared.writeUInt16LE(Buffer.byteLength(name), 22);
    const central = Buffer.alloc(14);
    central.writeUInt32LE((((link ? 0o120000 : 0o100000) | mode) << 16) >>> 0, 6);
    central.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), packed]);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), shared, central, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(locals.length, 8);
  end.writeUInt16LE(locals.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

function tarMember(name, data, mode, type, target = '') {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(mode.toString(8).padStart(7, '0'), 100);
  header.write(data.length.toString(8).padStart(11, '0'), 124);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write(target, 157);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** A gzipped tar archive; names over 100 bytes take GNU's long form. */
function tarGz(files) {
  const parts = [];
  for (const { name, data, mode, link } of members(files)) {
    if (name.length > 100) parts.push(tarMember('././@LongLink', Buffer.from(`${name}\0`), 0o644, 'L'));
    const raw = Buffer.from(link ? '' : data);
    parts.push(tarMember(name.slice(0, 100), raw, mode, link ? '2' : '0', link));
  }
  return zlib.gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

module.exports = { zip, tarGz };
