// One case for each larger feature.

import { holds, refusal, same } from '../lib/check.mjs';

const ADDED = 0;
const NO_SUCH_TOPIC = 9000;
const NO_SUCH_EVENT = 9002;

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

    async 'edits time series and queries the edits'(t) {
        const admin = await t.connect('admin');
        const string = t.diffusion.datatypes.string();
        const properties = { TIME_SERIES_EVENT_VALUE_TYPE: 'string', TIME_SERIES_RETAINED_RANGE: 'limit 100' };
        await admin.topics.add('series', t.topic('TIME_SERIES', properties));
        for (const word of ['A', 'B', 'C']) await admin.timeseries.append('series', word, string);
        const edit = await admin.timeseries.edit('series', 0, 'X', string);
        same([edit.sequence, edit.author], [3, 'admin'], 'the edit');
        await admin.timeseries.edit('series', 0, 'Y', string);
        const other = admin.timeseries.edit('series', 3, 'Z', string);
        same(await refusal(other, 'no event to edit'), NO_SUCH_EVENT, 'the reason');
        const query = admin.timeseries.rangeQuery().as(string);
        const ask = async range => {
            const { events, selectedCount, isComplete } = await range.selectFrom('series');
            return [events.map(({ sequence, value }) => `${sequence}${value}`).join(' '), Number(selectedCount), isComplete];
        };
        same(await ask(query), ['4Y 1B 2C', 3, true], 'the values');
        same(await ask(query.limit(2)), ['1B 2C', 3, false], 'the last values');
        same(await ask(query.fromLast(2).untilLast(1)), ['1B', 1, true], 'the last but one');
        same(await ask(query.from(1).next(1)), ['1B', 1, true], 'one event from the second');
        same(await ask(query.from(2).to(1)), ['1B 2C', 2, true], 'a range backwards');
        same(await ask(query.fromStart().to(0)), ['4Y', 1, true], 'the first');
        same(await ask(query.forEdits().allEdits()), ['0A 1B 2C 3X 4Y', 5, true], 'all edits');
        same(await ask(query.forEdits().latestEdits()), ['0A 1B 2C 4Y', 4, true], 'the latest edits');
        const edits = (await query.forEdits().from(0).to(0).selectFrom('series')).events;
        same(edits.map(({ originalEvent }) => Number(originalEvent.sequence)), [0, 0, 0], 'the original events');
        holds(edits[2].isEditEvent, 'the last event is an edit');
    },

    async 'subscribes to time series'(t) {
        const admin = await t.connect('admin');
        const string = t.diffusion.datatypes.string();
        const { noted, note, reach } = notes();
        const properties = { TIME_SERIES_EVENT_VALUE_TYPE: 'string', TIME_SERIES_SUBSCRIPTION_RANGE: 'limit 2' };
        await admin.topics.add('series', t.topic('TIME_SERIES', properties));
        const words = ['one', 'two', 'a word that is longer than the others, and comes', 'a word that is longer than the others, and came'];
        for (const word of words.slice(0, 3)) await admin.timeseries.append('series', word, string);
        const client = await t.connect('client');
        client.addStream('series', t.diffusion.datatypes.timeseries(string))
            .on('value', (path, specification, { sequence, author, value }) => note([Number(sequence), author, value]));
        await client.select('series');
        await reach(2);
        await admin.timeseries.append('series', words[3], string);
        await reach(3);
        await admin.timeseries.edit('series', 0, 'uno', string);
        await reach(4);
        same(noted, [[1, 'admin', words[1]], [2, 'admin', words[2]], [3, 'admin', words[3]], [4, 'admin', 'uno']], 'the events');
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
