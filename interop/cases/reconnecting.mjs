import { Mismatch, holds, same, within } from '../lib/check.mjs';

const soon = reconnect => setTimeout(reconnect, 50);

const happening = (session, event) => new Promise(happened => session.on(event, happened));

/** A session whose connections can be cut. */
async function behindRelay(t, principal, options = {}) {
    const { startRelay } = await import('../lib/relay.mjs');
    const relay = await startRelay(t.server);
    const reconnect = { timeout: 20_000, strategy: soon };
    const session = await t.connect(principal, { host: '127.0.0.1', port: relay.port, reconnect, ...options });
    return { relay, session };
}

/** A session whose connections can be cut, that watches a topic which `publisher` sets. */
async function watching(t, options) {
    const publisher = await t.connect('admin');
    await publisher.topics.add('lost/a', t.topic('JSON', { CONFLATION: 'off' }));
    const { relay, session } = await behindRelay(t, 'client', options);
    const watch = t.watch(session, 'lost/a');
    await session.select('lost/a');
    return { relay, publisher, session, watch };
}

/** Cuts the connection, runs `meanwhile` while it is down, and waits for the session to be back. */
async function interrupted({ relay, session }, meanwhile) {
    const [lost, back] = [happening(session, 'disconnect'), happening(session, 'reconnect')];
    const closed = happening(session, 'close');
    // Between two polls there is nothing to lose: the next one opens a connection of its own.
    const cutting = setInterval(() => relay.cut(), 100);
    relay.cut();
    await within(10_000, lost, 'the loss of the connection').finally(() => clearInterval(cutting));
    await meanwhile();
    const refused = closed.then(reason => {
        throw new Mismatch(`the session closed: ${reason.message}`);
    });
    await within(15_000, Promise.race([back, refused]), 'the reconnection');
}

/** On another node the session would be unknown, or its topic would not be there. */
export async function reconnectsToItsNode(t) {
    const sessions = await Promise.all(Array.from({ length: 6 }, () => behindRelay(t, 'admin')));
    for (const [number, all] of sessions.entries()) {
        const { session } = all;
        const id = session.sessionId.toString();
        const path = `own/${number}`;
        const watch = t.watch(session, path);
        await session.select(path);
        await t.set(session, path, 'before', { specification: t.topic('JSON') });
        await interrupted(all, async () => {});
        await t.set(session, path, 'after');
        await watch.until(seen => seen.values.at(-1)?.[1] === 'after', 'the value after the reconnection');
        same(session.sessionId.toString(), id, 'the session id');
    }
    for (const { relay } of sessions) relay.end();
}

export const cases = {
    async 'reconnects and misses nothing'(t) {
        const all = await watching(t);
        const { relay, publisher, session, watch } = all;
        const id = session.sessionId.toString();
        await t.set(publisher, 'lost/a', 0);
        await watch.until(seen => seen.values.length === 1, 'the first value');
        await interrupted(all, async () => {
            for (let n = 1; n <= 20; n += 1) await t.set(publisher, 'lost/a', n);
        });
        await t.set(publisher, 'lost/a', 21);
        await watch.until(seen => seen.values.at(-1)[1] === 21, 'the last value');
        same(watch.valuesOf('lost/a'), Array.from({ length: 22 }, (_, n) => n), 'the values');
        same(watch.subscribed, ['lost/a'], 'one subscription');
        same(session.sessionId.toString(), id, 'the session id');
        await t.settle(session);
        relay.end();
    },

    async 'reconnects over another transport'(t) {
        const other = t.transport === 'WS' ? 'XHR' : 'WS';
        const all = await watching(t, { transports: [t.transport, other] });
        const { relay, publisher, session, watch } = all;
        const id = session.sessionId.toString();
        await t.set(publisher, 'lost/a', 0);
        await watch.until(seen => seen.values.length === 1, 'the first value');
        await interrupted(all, async () => {
            relay.refused = t.transport === 'WS' ? 'GET' : 'POST';
            for (let n = 1; n <= 20; n += 1) await t.set(publisher, 'lost/a', n);
        });
        await t.set(publisher, 'lost/a', 21);
        await watch.until(seen => seen.values.at(-1)[1] === 21, 'the last value');
        same(watch.valuesOf('lost/a'), Array.from({ length: 22 }, (_, n) => n), 'the values');
        same(watch.subscribed, ['lost/a'], 'one subscription');
        same(session.sessionId.toString(), id, 'the session id');
        await t.settle(session);
        relay.end();
    },

    async 'does one lost request after a reconnection'(t) {
        const all = await behindRelay(t, 'admin');
        const { relay, session } = all;
        relay.isDeaf = true;
        const added = session.topics.add('lost/a', t.topic('JSON'));
        await interrupted(all, async () => { relay.isDeaf = false; });
        same((await within(10_000, added, 'the answer')).added, true, 'the topic is added');
        await t.settle(session);
        relay.end();
    },

    // The client sends one of the requests twice and leaves another one out.
    async 'is told of lost requests after a reconnection'(t) {
        const all = await behindRelay(t, 'admin');
        const { relay, session } = all;
        relay.isDeaf = true;
        const paths = ['lost/a', 'lost/b', 'lost/c'];
        const asked = paths.map(path => session.topics.add(path, t.topic('JSON')));
        const told = Promise.allSettled(asked);
        await interrupted(all, async () => { relay.isDeaf = false; });
        const outcomes = await within(15_000, told, 'the end of all requests');
        const kept = paths.filter((_, index) => outcomes[index].status === 'fulfilled');
        const found = await t.fetchPaths(session.fetchRequest(), '?lost//');
        holds(kept.every(path => found.includes(path)), 'what was answered to be done');
        await t.set(session, 'lost/d', 1, { specification: t.topic('JSON') });
        relay.end();
    },

    async 'reconnects again and again'(t) {
        const all = await watching(t);
        const { relay, publisher, session, watch } = all;
        const id = session.sessionId.toString();
        for (let round = 1; round <= 4; round += 1) {
            await interrupted(all, () => t.set(publisher, 'lost/a', round));
            await watch.until(seen => seen.values.at(-1)?.[1] === round, `the value of round ${round}`);
            await t.settle(session);
        }
        same(session.sessionId.toString(), id, 'the session id');
        holds(session.isConnected(), 'a connected session');
        relay.end();
    },

};
