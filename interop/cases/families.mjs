// One case for each larger feature.

import { holds, refusal, same } from '../lib/check.mjs';

const ADDED = 0;
const NO_SUCH_TOPIC = 9000;

function listener(t, note) {
    return {
        onTopicNotification: (path, _, type) => note([path, type]),
        onDescendantNotification() {},
        onClose() {},
        onError() {},
    };
}

/** Notes things in order and waits for their number. */
function notes() {
    const noted = [];
    let wake = () => {};
    const note = thing => { noted.push(thing); wake(); };
    const reach = async count => { while (noted.length < count) await new Promise(resolve => { wake = resolve; }); };
    return { noted, note, reach };
}

export const cases = {
    async 'derives topics by topic views'(t) {
        const admin = await t.connect('admin');
        await t.set(admin, 'source/a', { x: 1 }, { specification: t.topic('JSON') });
        const view = await admin.topicViews.createTopicView('copies', 'map ?source// to derived/<path(1)>');
        same(view.name, 'copies', 'the name of the view');
        const watch = t.watch(admin, '?derived//');
        await admin.select('?derived//');
        await t.set(admin, 'source/a', { x: 2 });
        await watch.until(seen => seen.values.length === 2, 'both values');
        same(watch.values, [['derived/a', { x: 1 }], ['derived/a', { x: 2 }]], 'the derived values');
        same((await admin.topicViews.listTopicViews()).map(({ name }) => name), ['copies'], 'the list of views');
        await admin.topicViews.removeTopicView('copies');
        await watch.until(seen => seen.unsubscribed.length === 1, 'the end of the derived topic');
    },

    async 'appends to and queries time series'(t) {
        const admin = await t.connect('admin');
        const string = t.diffusion.datatypes.string();
        const missing = admin.timeseries.append('series', 'word', string);
        same(await refusal(missing, 'no such topic'), NO_SUCH_TOPIC, 'the reason');
        const properties = { TIME_SERIES_EVENT_VALUE_TYPE: 'string', TIME_SERIES_RETAINED_RANGE: 'limit 100' };
        await admin.topics.add('series', t.topic('TIME_SERIES', properties));
        const events = [];
        for (const word of ['one', 'two', 'three']) events.push(await admin.timeseries.append('series', word, string));
        same(events.map(({ sequence, author }) => [sequence, author]), [[0, 'admin'], [1, 'admin'], [2, 'admin']], 'the events');
        await admin.timeseries.edit('series', 1, 'zwei', string);
        const result = await admin.timeseries.rangeQuery().as(string).selectFrom('series');
        same(result.events.map(({ value }) => value), ['one', 'zwei', 'three'], 'the values');
    },

    async 'sends requests to a path'(t) {
        const admin = await t.connect('admin');
        const client = await t.connect('control');
        await admin.messages.addRequestHandler('service', {
            onRequest: (request, _, responder) => responder.respond({ echo: request.get() }, t.json),
            onError() {},
            onClose() {},
        }, [], t.json);
        const answer = await client.messages.sendRequest('service', { a: 1 }, t.json, t.json);
        same(answer.get(), { echo: { a: 1 } }, 'the answer');
    },

    async 'sends requests to a session'(t) {
        const admin = await t.connect('admin');
        const client = await t.connect('client');
        const string = t.diffusion.datatypes.string();
        client.messages.setRequestStream('greet', {
            onRequest: (_, request, responder) => responder.respond(`hello ${request}`, string),
            onError() {},
            onClose() {},
        }, string, string);
        same(await admin.messages.sendRequest('greet', 'you', client.sessionId, string, string), 'hello you', 'the answer');
    },

    async 'is notified of topics'(t) {
        const admin = await t.connect('admin');
        const { noted, note, reach } = notes();
        const registration = await admin.notifications.addListener(listener(t, note));
        await registration.select('?notified//');
        await t.add(admin, 'notified/a');
        await reach(1);
        same(noted, [['notified/a', ADDED]], 'the notifications');
    },

    async 'is notified of missing topics'(t) {
        const admin = await t.connect('admin');
        const { noted, note, reach } = notes();
        await new Promise((resolve, reject) => {
            const handler = {
                onMissingTopic: notification => note(notification.path),
                onRegister: resolve,
                onClose() {},
                onError: (_, error) => reject(error),
            };
            admin.topics.addMissingTopicHandler('missing', handler).catch(reject);
        });
        await (await t.connect('client')).select('missing/a');
        await reach(1);
        same(noted, ['missing/a'], 'the notifications');
    },

    async 'reads and changes the security store'(t) {
        const admin = await t.connect('admin');
        const configuration = await admin.security.getSecurityConfiguration();
        holds(configuration.roles.some(({ name }) => name === 'CLIENT'), 'the role CLIENT');
        const script = admin.security.securityScriptBuilder().setRolesForAnonymousSessions(new Set(['CLIENT'])).build();
        await admin.security.updateSecurityStore(script);
    },

    async 'maps branches by session trees'(t) {
        const admin = await t.connect('admin');
        const table = t.diffusion.newBranchMappingTableBuilder()
            .addBranchMapping('$Principal is "client"', 'tree/for-clients')
            .create('tree/all');
        await admin.sessionTrees.putBranchMappingTable(table);
        await t.set(admin, 'tree/for-clients/a', 1, { specification: t.topic('JSON') });
        const client = await t.connect('client');
        const watch = t.watch(client, 'tree/all/a');
        await client.select('tree/all/a');
        await watch.until(seen => seen.values.length === 1, 'the value through the mapping');
    },

    async 'lists metric collectors'(t) {
        const admin = await t.connect('admin');
        const collector = t.diffusion.newTopicMetricCollectorBuilder().create('topics', '?.*//');
        await admin.metrics.putTopicMetricCollector(collector);
        const { collectors } = await admin.metrics.listTopicMetricCollectors();
        same(collectors.map(({ name }) => name), ['topics'], 'the collectors');
    },

    async 'lists remote servers'(t) {
        const admin = await t.connect('admin');
        same(await admin.remoteServers.listRemoteServers(), [], 'the servers');
    },
};
