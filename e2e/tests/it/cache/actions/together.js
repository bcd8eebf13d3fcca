// Several activations in one process, each with its token and its cache.
const { connect } = require('net');
const tokens = new Map();
const sockets = new Map();

function login(context) {
  const { hostname, port } = new URL(context.cacheUrl);
  const socket = connect({ host: hostname, port });
  socket.on('error', () => {});
  sockets.set(context.activationId, socket);
  return say(socket, `AUTH ${context.cacheToken}`);
}

function say(socket, line) {
  return new Promise((told) => {
    socket.once('data', (data) => told(String(data).trim()));
    socket.once('close', () => told('closed'));
    if (socket.destroyed || !socket.writable) told('closed');
    else socket.write(`${line}\r\n`);
  });
}

async function main({ together, former }, context) {
  if (former) return { former: await say(sockets.get(former), 'GET n') };
  tokens.set(context.activationId, context.cacheToken);
  const logged = await login(context);
  while (tokens.size < together) await new Promise((done) => setTimeout(done, 5));
  const count = await context.cache.increment('n');
  const said = await say(sockets.get(context.activationId), 'PING');
  return { logged, count, said, id: context.activationId, different: new Set(tokens.values()).size, pid: process.pid };
}
