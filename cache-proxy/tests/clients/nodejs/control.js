// What the test does for the activations of this container: they begin, with a token, and end.
'use strict';

const net = require('node:net');
const readline = require('node:readline');

class Control {
    constructor() {
        const [host, port] = process.env.CACHE_CONTROL.split(':');
        this.socket = net.connect(Number(port), host);
        this.lines = readline.createInterface({ input: this.socket })[Symbol.asyncIterator]();
    }

    async ask(line) {
        this.socket.write(`${line}\n`);
        return (await this.lines.next()).value;
    }

    begin() { return this.ask('begin'); }

    end() { return this.ask('end'); }

    close() { this.socket.end(); }
}

const url = (token) => `redis://:${token}@${process.env.CACHE_ADDRESS}`;

module.exports = { Control, url };
