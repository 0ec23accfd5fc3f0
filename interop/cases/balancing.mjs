import { holds, same } from '../lib/check.mjs';
import { reconnectsToItsNode } from './reconnecting.mjs';

/** The load balancers of the documentation, by the names of their products. */
export const BALANCERS = ['HAProxy', 'nginx', 'Caddy', 'Traefik', 'Envoy', 'Apache', 'Varnish'];

const CHANGES = 20;

/** The nodes give sessions ids that begin alike. */
const nodeOf = session => session.sessionId.toString().split('-')[0];

/**
 * The nodes know nothing of each other, so each session works on a topic of its own: a request that
 * reaches the other node finds neither the session nor the topic, and without reconnection it is the
 * end of the session.
 */
async function staysOnItsNode(t) {
    // A browser has few connections to a host, and a session that polls takes one or two of them.
    const count = t.transport === 'XHR' ? 3 : 8;
    for (const [name, address] of [['plain', t.address], ['tls', t.secureAddress]]) {
        const connecting = Array.from({ length: count }, () => t.connect('admin', { ...address, reconnect: false }));
        const sessions = await Promise.all(connecting);
        const nodes = new Set(sessions.map(nodeOf));
        holds(nodes.size === 2, `sessions of both nodes, not ${count} of ${[...nodes]}`);
        await Promise.all(sessions.map((session, number) => worksAlone(t, session, `${name}/${number}`)));
        await Promise.all(sessions.map(session => session.closeSession()));
    }
}

async function worksAlone(t, session, path, count = CHANGES) {
    const watch = t.watch(session, path);
    await session.select(path);
    await session.topics.add(path, t.topic('JSON', { CONFLATION: 'off' }));
    const values = Array.from({ length: count }, (_, n) => ({ n, path }));
    for (const value of values) await t.set(session, path, value);
    await watch.until(seen => seen.values.length === count, `${count} values of ${path}`);
    same(watch.valuesOf(path), values, `the values of ${path}`);
}

async function isRoutedByItsPath(t) {
    const nodes = {};
    for (const path of ['/one/diffusion', '/two/diffusion', '/one/more/diffusion', '/two/more/diffusion']) {
        const session = await t.connect('admin', { path, reconnect: false });
        const [, first] = path.split('/');
        nodes[first] ??= nodeOf(session);
        same(nodeOf(session), nodes[first], `the node of ${path}`);
        await worksAlone(t, session, `own${path}`);
        await session.closeSession();
    }
    holds(nodes.one !== nodes.two, 'another node for each path');
}

/** The browser has one cookie: each session of the page goes where the first one went. */
async function isRoutedByItsCookie(t) {
    const sessions = [];
    while (sessions.length < 4) sessions.push(await t.connect('admin', { reconnect: false }));
    same(new Set(sessions.map(nodeOf)).size, 1, 'nodes');
    // Two that poll are as many as the browser has connections for.
    for (const session of sessions.splice(2)) await session.closeSession();
    await Promise.all(sessions.map((session, number) => worksAlone(t, session, `own/${number}`)));
}

/** Without a list of transports the client takes its own: in a browser WebSocket, then polling. */
async function cascadesByItself(t) {
    const session = await t.connect('admin', { transports: undefined, reconnect: false });
    await worksAlone(t, session, 'own', 50);
}

/** Cases that a browser runs in a page of the balancer's own origin: others have no cookies there. */
export const sameOrigin = ['is routed by its cookie by HAProxy'];

export const cases = Object.fromEntries([
    ...BALANCERS.flatMap(name => [
        [`stays on its node behind ${name}`, staysOnItsNode],
        [`reconnects to its node behind ${name}`, reconnectsToItsNode],
    ]),
    ['is routed by its path by nginx', isRoutedByItsPath],
    ['is routed by its cookie by HAProxy', isRoutedByItsCookie],
    ['cascades by itself where nginx passes no upgrade on', cascadesByItself],
    ['cascades by itself where HAProxy forbids upgrades', cascadesByItself],
    ['cascades by itself where Squid refuses tunnels', cascadesByItself],
]);
