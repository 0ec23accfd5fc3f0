// Cases of the JavaScript client 5.9.24, which speaks the protocol's old dialect (version 9).

import { createRequire } from 'node:module';

import { holds, refusal, same, within } from '../lib/check.mjs';
import { Context } from '../lib/context.mjs';
import { startRelay } from '../lib/relay.mjs';

const PATIENCE = 10_000;
const CLOSED_BY_CLIENT = 0;
const ACCESS_DENIED = 99;
const EXISTS_MISMATCH = 2;

async function connect(t, principal = 'admin', password = 'password', options = { reconnect: false }) {
    const connecting = t.diffusion.connect({ ...t.address, principal, credentials: password, ...options });
    const session = new Promise((kept, refused) => connecting.then(kept, refused));
    return within(PATIENCE, session, 'a connected session');
}

const settled = result => within(PATIENCE, new Promise((kept, refused) => result.then(kept, refused)), 'an answer');

/** Notes the JSON values of a stream, and waits for their number. */
function jsonValues(t, session, selector) {
    const seen = [];
    let wake = () => {};
    session.stream(selector).asType(t.diffusion.datatypes.json())
        .on('value', (topic, _, value) => { seen.push([topic, value.get()]); wake(); });
    const reach = async count => { while (seen.length < count) await new Promise(resolve => { wake = resolve; }); };
    return { seen, reach: count => within(PATIENCE, reach(count), () => `${count} values, not ${JSON.stringify(seen)}`) };
}

export const cases = {
    async 'connects and closes'(t) {
        const session = await connect(t);
        holds(session.isConnected(), 'a connected session');
        const closed = new Promise(resolve => session.on('close', resolve));
        session.close();
        same((await within(PATIENCE, closed, 'the end of the session')).id, CLOSED_BY_CLIENT, 'the reason');
    },

    async 'is refused with a wrong password'(t) {
        same(await refusal(connect(t, 'admin', 'wrong'), 'a wrong password'), ACCESS_DENIED, 'the reason');
    },

    async 'adds, watches and removes JSON topics'(t) {
        const session = await connect(t);
        const json = t.diffusion.datatypes.json();
        const { seen, reach } = jsonValues(t, session, '?old//');
        session.subscribe('?old//');
        same((await settled(session.topics.add('old/a', t.diffusion.topics.TopicType.JSON, json.from({ n: 1 })))).added, true, 'adding');
        await reach(1);
        const text = 'a text that stays the same while a number changes';
        for (let n = 2; n <= 20; n += 1) await settled(session.topics.update('old/a', json.from({ text, n })));
        await reach(20);
        same(seen.at(-1), ['old/a', { text, n: 20 }], 'the last value');
        same(seen.map(([, value]) => value.n), Array.from({ length: 20 }, (_, n) => n + 1), 'the order of values');
        await settled(session.topics.remove('old/a'));
    },

    async 'reconnects and misses nothing'(t) {
        const relay = await startRelay(t.server);
        const reconnect = { timeout: 20_000, strategy: again => setTimeout(again, 50) };
        const session = await connect(t, 'client', 'password', { host: '127.0.0.1', port: relay.port, reconnect });
        const publisher = await connect(t);
        const json = t.diffusion.datatypes.json();
        const id = session.sessionID;
        const { seen, reach } = jsonValues(t, session, '?old//');
        session.subscribe('?old//');
        await settled(publisher.topics.add('old/a', t.diffusion.topics.TopicType.JSON, json.from({ n: 1 })));
        await reach(1);
        const happening = event => new Promise(happened => session.on(event, happened));
        for (let round = 0; round < 3; round += 1) {
            const [lost, back] = [happening('disconnect'), happening('reconnect')];
            const cutting = setInterval(() => relay.cut(), 100);
            relay.cut();
            await within(PATIENCE, lost, 'the loss of the connection').finally(() => clearInterval(cutting));
            const last = seen.at(-1)[1].n;
            for (let n = last + 1; n <= last + 5; n += 1) await settled(publisher.topics.update('old/a', json.from({ n })));
            await within(PATIENCE, back, 'the reconnection');
            while (seen.at(-1)[1].n < last + 5) await reach(seen.length + 1);
            // A client that starts anew gets the last value; else it gets all of them. Over polling it starts anew
            // whenever something of it was on the way.
            const since = seen.map(([, value]) => value.n).filter(n => n > last);
            const all = [1, 2, 3, 4, 5].map(n => last + n);
            const startsAnew = round >= 1 || (t.transport === 'XHR' && since.length === 1);
            same(since, startsAnew ? [last + 5] : all, `the values of round ${round}`);
        }
        same(session.sessionID, id, 'the session id');
        relay.end();
    },

    async 'is refused a topic with another specification'(t) {
        const session = await connect(t);
        const { JSON: json, BINARY: binary } = t.diffusion.topics.TopicType;
        await settled(session.topics.add('old/b', json));
        const adding = settled(session.topics.add('old/b', binary));
        same(await refusal(adding, 'another type'), EXISTS_MISMATCH, 'the reason');
    },

    async 'fetches topics'(t) {
        const session = await connect(t);
        const json = t.diffusion.datatypes.json();
        await settled(session.topics.add('old/c', t.diffusion.topics.TopicType.JSON, json.from([1, 2])));
        const fetched = [];
        await within(PATIENCE, new Promise((resolve, reject) => {
            session.fetch('?old//').on({ value: (value, topic) => fetched.push(topic), error: reject, close: resolve });
        }), 'the end of the fetch');
        same(fetched, ['old/c'], 'the topics');
    },

    async 'lives with topics of types that it does not know'(t) {
        const modern = createRequire(import.meta.url)('diffusion');
        modern.log('silent');
        const other = new Context(modern, t.server, 'WS');
        const admin = await other.connect('admin');
        const session = await connect(t);
        const { seen, reach } = jsonValues(t, session, '?mixed//');
        session.subscribe('?mixed//');
        const types = modern.datatypes;
        await admin.topicUpdate.set('mixed/a', types.string(), 'text', { specification: other.topic('STRING') });
        await admin.topicUpdate.set('mixed/b', types.int64(), 5, { specification: other.topic('INT64') });
        await other.set(admin, 'mixed/c', { n: 1 }, { specification: other.topic('JSON') });
        await reach(1);
        same(seen, [['mixed/c', { n: 1 }]], 'the values');
        holds(session.isConnected(), 'a connected session');
        await other.end();
    },
};
