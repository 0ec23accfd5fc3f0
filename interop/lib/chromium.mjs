// Runs a case in Chromium. The page is one of our own, with the published browser bundle and the
// case in it. It is made up inside the browser, so that it can have any origin: another one than the
// server's, as the page of an application mostly has, or the server's own.

import { X509Certificate, createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

import { sameOrigin as balanced } from '../cases/balancing.mjs';
import { sameOrigin as direct } from '../cases/connecting.mjs';

const FOLDER = new URL('../', import.meta.url);
const BUNDLE = createRequire(import.meta.url).resolve('diffusion/dist/diffusion.js');
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // A page that is made up has no address, and Chromium keeps such pages from the loopback interface.
    '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
];
const PAGE = '<!doctype html><meta charset="utf-8"><title>interop</title><script src="/page/diffusion.js"></script>';

const SAME_ORIGIN = new Set([...direct, ...balanced]);
const OTHER_ORIGIN = 'http://page.localhost';

export async function runInChromium(client, name, server) {
    const origin = SAME_ORIGIN.has(name) ? new URL(server.url).origin : OTHER_ORIGIN;
    const args = [...FLAGS, ...await trustFlags(), ...proxyFlags(server)];
    const browser = await chromium.launch({ executablePath: EXECUTABLE, args });
    try {
        const page = await browser.newPage();
        await page.route(`${origin}/page/**`, fulfil);
        await page.goto(`${origin}/page/`);
        return await page.evaluate(runCase, { name, server, transport: client.transport });
    } finally {
        await browser.close();
    }
}

/** Chromium does not read the variable that Node.js reads; it trusts a key by its hash. */
async function trustFlags() {
    const file = process.env.NODE_EXTRA_CA_CERTS;
    if (!file) return [];
    const key = new X509Certificate(await readFile(file)).publicKey.export({ type: 'spki', format: 'der' });
    return [`--ignore-certificate-errors-spki-list=${createHash('sha256').update(key).digest('base64')}`];
}

/** Without the second flag Chromium goes around the proxy to the loopback interface. */
function proxyFlags({ proxy }) {
    return proxy ? [`--proxy-server=${proxy}`, '--proxy-bypass-list=<-loopback>'] : [];
}

/** Runs in the page. */
async function runCase({ name, server, transport }) {
    const { cases } = await import('/page/cases/all.mjs');
    const { Context, outcomeOf } = await import('/page/lib/context.mjs');
    window.diffusion.log('silent');
    return outcomeOf(cases[name], new Context(window.diffusion, server, transport));
}

async function fulfil(route) {
    const [contentType, body] = await load(new URL(route.request().url()).pathname);
    await route.fulfill(body === null ? { status: 404 } : { contentType, body });
}

async function load(path) {
    if (path === '/page/') return ['text/html', PAGE];
    if (path === '/page/diffusion.js') return ['text/javascript', await readFile(BUNDLE)];
    const [, script] = /^\/page\/((?:cases|lib)\/\w+\.mjs)$/.exec(path) ?? [];
    return script ? ['text/javascript', await readFile(new URL(script, FOLDER))] : ['text/plain', null];
}
