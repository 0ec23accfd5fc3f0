// A relay of TCP connections that can be cut, as networks do. For Node only.

import net from 'node:net';

/** Starts a relay to the server; `relay.port` is where clients connect. */
export async function startRelay(server) {
    const { hostname, port } = new URL(server.url);
    const relay = new Relay(hostname, Number(port));
    await new Promise(listening => relay.listener.listen(0, '127.0.0.1', listening));
    return relay;
}

class Relay {
    #open = new Set();

    /** The method of HTTP whose requests are refused with status 503; none. */
    refused = null;

    /** Whether what clients send is lost. */
    isDeaf = false;

    constructor(host, port) {
        this.listener = net.createServer(client => this.#join(client, net.connect(port, host)));
    }

    get port() {
        return this.listener.address().port;
    }

    /** Cuts every connection without a word. */
    cut() {
        for (const socket of this.#open) socket.resetAndDestroy();
    }

    end() {
        this.cut();
        this.listener.close();
    }

    #join(one, other) {
        for (const [socket, peer] of [[one, other], [other, one]]) {
            this.#open.add(socket);
            socket.on('error', () => {});
            socket.on('close', () => {
                this.#open.delete(socket);
                peer.destroy();
            });
        }
        other.pipe(one);
        one.on('data', bytes => this.#pass(bytes, one, other));
        one.on('end', () => other.end());
    }

    #pass(bytes, client, server) {
        if (this.refused && bytes.toString('latin1').startsWith(`${this.refused} `)) {
            client.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
        } else if (!this.isDeaf) {
            server.write(bytes);
        }
    }
}
