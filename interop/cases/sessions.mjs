import { holds, same } from '../lib/check.mjs';

const CLOSED = 4;

export const cases = {
    async 'reads its own session properties'(t) {
        const session = await t.connect('client', { properties: { desk: 'fixed income' } });
        const properties = await session.getSessionProperties();
        same(properties.$SessionId, session.sessionId.toString(), 'the session id');
        same(properties.$Principal, 'client', 'the principal');
        same(properties.$Transport, t.transport === 'WS' ? 'WEBSOCKET' : 'HTTP_LONG_POLL', 'the transport');
        holds(t.diffusion.stringToRoles(properties.$Roles).has('CLIENT'), `the role CLIENT in ${properties.$Roles}`);
    },

    async 'reads the properties of another session'(t) {
        const admin = await t.connect('admin');
        const other = await t.connect('client');
        const properties = await admin.clients.getSessionProperties(other.sessionId, ['$Principal']);
        same(properties, { $Principal: 'client' }, 'the properties');
    },

    async 'closes another session'(t) {
        const admin = await t.connect('admin');
        const other = await t.connect('client', { reconnect: false });
        const closed = new Promise(resolve => other.on('close', resolve));
        await admin.clients.close(other.sessionId);
        same((await closed).id, 1, 'the reason');
    },

    async 'subscribes another session'(t) {
        const admin = await t.connect('admin');
        await t.set(admin, 'given/a', 1, { specification: t.topic('JSON') });
        const other = await t.connect('client');
        const watch = t.watch(other, 'given/a');
        await admin.clients.subscribe(other.sessionId, 'given/a');
        await watch.until(seen => seen.values.length === 1, 'the value');
    },

    async 'listens to session events'(t) {
        const admin = await t.connect('admin');
        const seen = [];
        let wake = () => {};
        const parameters = t.diffusion.newSessionEventParametersBuilder().filter('$Principal is "client"').build();
        await admin.clients.addSessionEventListener({
            onSessionEvent: event => { seen.push([event.sessionId.toString(), event.state]); wake(); },
            onClose() {},
            onError() {},
        }, parameters);
        const other = await t.connect('client');
        const id = other.sessionId.toString();
        await other.closeSession();
        while (!seen.some(([session, state]) => session === id && state === CLOSED)) await new Promise(resolve => { wake = resolve; });
        same(seen.filter(([session]) => session === id).map(([, state]) => state), [0, CLOSED], 'the states');
    },

    async 'locks and unlocks'(t) {
        const one = await t.connect('admin');
        const other = await t.connect('admin');
        const lock = await one.lock('door');
        holds(lock.isOwned(), 'the lock to be owned');
        const waiting = other.lock('door');
        await t.settle(other);
        await lock.unlock();
        holds((await waiting).isOwned(), 'the lock to be passed on');
    },
};
