import { Mismatch, errorId, holds, refusal, same, within } from '../lib/check.mjs';

/** Reasons of the client for the end of a session. */
const CLOSED_BY_CLIENT = 0;
const CLOSED_BY_SERVER = 1;
const COULD_NOT_CONNECT = 7;
const ACCESS_DENIED = 99;

/** Cases that a browser runs in a page of the server's own origin, not of another one. */
export const sameOrigin = ['connects from a page of its own origin'];

const SESSION_ID = /^[0-9a-f]{16}-[0-9a-f]{16}$/;
const CROWD = 200;

/** How long nobody says anything, in milliseconds: several pings, one a second. */
const SILENCE = 4_500;

const closing = session => new Promise(closed => session.on('close', closed));

async function connectsThrough(t, path) {
    const session = await t.connect('client', { path });
    await t.settle(session);
}

export const cases = {
    async 'connects, pings and closes'(t) {
        const session = await t.connect('client');
        holds(session.isConnected(), 'a connected session');
        holds(SESSION_ID.test(session.sessionId.toString()), `a session id, not ${session.sessionId}`);
        same(session.getPrincipal(), 'client', 'the principal');
        const ping = await session.pingServer();
        holds(ping.rtt >= 0, 'a round trip time');

        const reason = await within(5_000, session.closeSession(), 'the end of the session');
        same(reason.id, CLOSED_BY_CLIENT, 'the reason');
        holds(session.isClosed(), 'a closed session');
    },

    async 'connects anonymously'(t) {
        const session = await t.connect('anonymous');
        await t.settle(session);
        same(session.getPrincipal(), '', 'the principal');
    },

    async 'is refused with a wrong password'(t) {
        same(await refusal(t.connect('admin', { credentials: 'wrong' }), 'a wrong password'), ACCESS_DENIED, 'the reason');
    },

    async 'is refused with an unknown principal'(t) {
        same(await refusal(t.connect('nobody'), 'an unknown principal'), ACCESS_DENIED, 'the reason');
    },

    async 'connects below any path that ends in /diffusion'(t) {
        for (const path of ['/diffusion', '/a/b/diffusion', 'path/diffusion', '/a b/é', '/a%20b/%C3%A9/diffusion']) {
            await connectsThrough(t, path);
        }
    },

    async 'connects from a page of its own origin'(t) {
        same(globalThis.location.origin, new URL(t.server.url).origin, 'the origin of the page');
        await t.settle(await t.connect('client'));
    },

    async 'cascades to the next transport'(t) {
        const transports = ['unknown', t.transport, t.transport === 'WS' ? 'XHR' : 'WS'];
        await t.settle(await t.connect('client', { transports }));
    },

    async 'keeps 200 sessions at once'(t) {
        const publisher = await t.connect('admin');
        await t.add(publisher, 'crowd/a');
        await t.set(publisher, 'crowd/a', 1);

        const members = await Promise.all(Array.from({ length: CROWD }, () => t.connect('client')));
        const watches = members.map(member => t.watch(member, 'crowd/a'));
        await Promise.all(members.map(member => member.select('crowd/a')));
        await t.set(publisher, 'crowd/a', 2);

        same(new Set(members.map(member => member.sessionId.toString())).size, CROWD, 'distinct session ids');
        await Promise.all(watches.map(watch => watch.until(seen => seen.values.length === 2, 'two values')));
        for (const watch of watches) same(watch.valuesOf('crowd/a'), [1, 2], 'the values of a member');
    },

    async 'is told when the server stops'(t) {
        const session = await t.connect('client', { reconnect: false });
        await t.settle(session);
        const closed = closing(session);
        process.kill(t.server.pid, 'SIGTERM');
        same((await within(10_000, closed, 'the end of the session')).id, CLOSED_BY_SERVER, 'the reason');
    },

    async 'stays connected while nobody says anything'(t) {
        const session = await t.connect('admin', { reconnect: false });
        const closed = closing(session).then(reason => { throw new Mismatch(`the session closed: ${reason.message}`); });
        // The client gives up after two pings that did not come, and the server after one without an answer.
        await Promise.race([closed, new Promise(resolve => setTimeout(resolve, SILENCE))]);
        await t.settle(session);
    },

    async 'learns that no server is there'(t) {
        const connecting = t.connect('client', { path: '/nowhere', port: 1 });
        same(errorId(await connecting.catch(error => error)), COULD_NOT_CONNECT, 'the reason');
    },
};
