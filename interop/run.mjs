// Runs one case with a published JavaScript client and prints how it went as one line of JSON.
//
//     node run.mjs CLIENT CASE URL [PID]       the server's URL, and its process id where a case may signal it;
//                                              the password of its principals is in SUFFUSE_PASSWORD; where there
//                                              are such, its URL with TLS is in SUFFUSE_SECURE_URL, the issuer of
//                                              its certificate in NODE_EXTRA_CA_CERTS, and the forward proxy
//                                              before it in SUFFUSE_PROXY
//     node run.mjs --list CLIENT               the names of the cases, one a line

import { createRequire } from 'node:module';

import { cases } from './cases/all.mjs';
import { cases as casesOfVersion5 } from './cases/version5.mjs';
import { runInChromium } from './lib/chromium.mjs';
import { Context, describe, outcomeOf } from './lib/context.mjs';
import { XMLHttpRequest } from './lib/xhr.mjs';

const CLIENTS = {
    node_ws: { package: 'diffusion', transport: 'WS', cases },
    node_polling: { package: 'diffusion', transport: 'XHR', cases },
    chromium_ws: { browser: true, transport: 'WS', cases },
    chromium_polling: { browser: true, transport: 'XHR', cases },
    node5_ws: { package: 'diffusion-5', transport: 'WS', cases: casesOfVersion5 },
    node5_polling: { package: 'diffusion-5', transport: 'XHR', inWindow: true, cases: casesOfVersion5 },
};

function finish(result) {
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

function known(map, key, what) {
    if (Object.hasOwn(map, key)) return map[key];
    throw new Error(`unknown ${what} '${key}'; known: ${Object.keys(map).join(', ')}`);
}

function runInNode(client, run, server) {
    const require = createRequire(import.meta.url);
    globalThis.XMLHttpRequest = XMLHttpRequest;
    if (client.inWindow) {
        // Made for browsers only, where it looks for a window; the current client must not see one.
        require('diffusion');
        globalThis.window = { location: {}, XMLHttpRequest };
    }
    const diffusion = require(client.package);
    diffusion.log('silent');
    return outcomeOf(run, new Context(diffusion, server, client.transport));
}

// A client that throws where nobody can catch it would end an application: never a success.
process.on('uncaughtException', error => finish({ outcome: 'failed', detail: `uncaught: ${describe(error)}` }));
process.on('unhandledRejection', error => finish({ outcome: 'failed', detail: `unhandled: ${describe(error)}` }));

const [first, ...rest] = process.argv.slice(2);
if (first === '--list') {
    console.log(Object.keys(known(CLIENTS, rest[0], 'client').cases).join('\n'));
} else {
    const [name, url, pid] = rest;
    const client = known(CLIENTS, first, 'client');
    const run = known(client.cases, name, 'case');
    const { SUFFUSE_PASSWORD: password = 'password', SUFFUSE_SECURE_URL: secureUrl, SUFFUSE_PROXY: proxy } = process.env;
    const server = { url, secureUrl, proxy, pid: pid ? Number(pid) : null, password };
    finish(await (client.browser ? runInChromium(client, name, server) : runInNode(client, run, server)));
}
