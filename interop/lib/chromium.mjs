// Runs a case in Chromium: the published browser bundle and the case itself are loaded by a page of
// a small server of our own, so that the page's origin is not the server's.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

const FOLDER = new URL('../', import.meta.url);
const BUNDLE = createRequire(import.meta.url).resolve('diffusion/dist/diffusion.js');
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const PAGE = '<!doctype html><meta charset="utf-8"><title>interop</title><script src="/diffusion.js"></script>';

export async function runInChromium(client, name, server) {
    const pages = await servePages();
    const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
    try {
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${pages.address().port}/`);
        return await page.evaluate(runCase, { name, server, transport: client.transport });
    } finally {
        await browser.close();
        pages.close();
    }
}

/** Runs in the page. */
async function runCase({ name, server, transport }) {
    const { cases } = await import('/cases/all.mjs');
    const { Context, outcomeOf } = await import('/lib/context.mjs');
    window.diffusion.log('silent');
    return outcomeOf(cases[name], new Context(window.diffusion, server, transport));
}

async function servePages() {
    const server = http.createServer(async (request, response) => {
        const [type, content] = await load(request.url);
        response.writeHead(content === null ? 404 : 200, { 'Content-Type': type }).end(content);
    });
    await new Promise(listening => server.listen(0, '127.0.0.1', listening));
    return server;
}

async function load(path) {
    if (path === '/') return ['text/html', PAGE];
    if (path === '/diffusion.js') return ['text/javascript', await readFile(BUNDLE)];
    if (/^\/(cases|lib)\/\w+\.mjs$/.test(path)) return ['text/javascript', await readFile(new URL(`.${path}`, FOLDER))];
    return ['text/plain', null];
}
