// A published client whose connections break: says what it sees as lines of JSON, until it is killed.
//
//     node faults.mjs node_ws|node_polling URL     the password of its principals is in SUFFUSE_PASSWORD
//
// It watches the topics below `load`, and sets `up` to 1, 2, 3, …

import { createRequire } from 'node:module';

import { describe } from './lib/context.mjs';
import { XMLHttpRequest } from './lib/xhr.mjs';

const TRANSPORTS = { node_ws: 'WS', node_polling: 'XHR' };

globalThis.XMLHttpRequest = XMLHttpRequest;
const diffusion = createRequire(import.meta.url)('diffusion');
diffusion.log('silent');

const say = (...words) => process.stdout.write(`${JSON.stringify(words)}\n`);
const later = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

const [name, url] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const json = diffusion.datatypes.json();
process.on('uncaughtException', error => say('closed', `uncaught: ${describe(error)}`));
process.on('unhandledRejection', error => say('closed', `unhandled: ${describe(error)}`));

const connect = () =>
    diffusion.connect({
        host: hostname,
        port: Number(port),
        path: pathname,
        secure: false,
        transports: [TRANSPORTS[name]],
        principal: 'admin',
        credentials: process.env.SUFFUSE_PASSWORD,
        reconnect: { timeout: 60_000, strategy: reconnect => setTimeout(reconnect, 10) },
    });

let session;
async function watch() {
    session = await connect();
    const closed = new Promise(resolve => session.on('close', resolve));
    session.addStream('?load/', json).on({
        subscribe: path => say('subscribed', path),
        value: (path, _, value) => say('value', path, value.get().n),
    });
    await session.select('?load/');
    say('ready');
    const reason = await closed;
    say('closed', reason?.message ?? String(reason));
}

async function publish() {
    for (let number = 1; ; number += 1) {
        try {
            await session.topicUpdate.set('up', json, { n: number });
            say('acknowledged', number);
        } catch {
            // Lost with the connection: it may have been set or not.
        }
        await later(5);
    }
}

let isPublishing = false;
for (;;) {
    // A session that ended said so; the application begins anew.
    const watching = watch().catch(() => later(50));
    if (!isPublishing) {
        while (!session) await later(5);
        isPublishing = true;
        publish();
    }
    await watching;
}
