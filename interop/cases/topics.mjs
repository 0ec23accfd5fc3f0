import { refusal, same } from '../lib/check.mjs';

/** Reasons for which a topic is not added, and for which a session is unsubscribed. */
const EXISTS_MISMATCH = 2;
const PERMISSIONS_FAILURE = 7;
const INVALID_NAME = 15;
const REMOVED = 2;

const ACCESS_DENIED = 103;

const CREATED = 1;
const EXISTS = 2;

const record = (t, ...fields) => t.diffusion.datatypes.recordv2().valueBuilder().addRecord(...fields).build();

/** Per topic type: the client's data type, and three values with what a stream shows for them. */
const TYPES = {
    JSON: { dataType: 'json', values: () => [{ a: 1, b: [true, null, 'é'] }, [1.5, -7], 'text'] },
    BINARY: { dataType: 'binary', values: () => [new Uint8Array([0, 1, 255]), new Uint8Array([]), new Uint8Array([9])], shown: ['0001ff', '', '09'] },
    STRING: { dataType: 'string', values: () => ['Hello', '', '日本語 🙂'] },
    INT64: { dataType: 'int64', values: () => ['9223372036854775807', '-9223372036854775808', 0] },
    DOUBLE: { dataType: 'double', values: () => [0.5, -1e300, 3] },
    RECORD_V2: { dataType: 'recordv2', values: t => [record(t, 'a', 'b'), record(t, '', ''), record(t, 'c')], shown: [[['a', 'b']], [['', '']], [['c']]] },
};

async function carries(t, name) {
    const type = TYPES[name];
    const dataType = t.diffusion.datatypes[type.dataType]();
    const [first, second, third] = type.values(t);
    const [one, two, three] = type.shown ?? [first, second, third];
    const specification = t.topic(name);
    const admin = await t.connect('admin');
    const reader = await t.connect('client');
    const watch = t.watch(reader, '?kinds//', dataType);
    await reader.select('?kinds//');

    same(await admin.topics.add('kinds/x', specification), { topic: 'kinds/x', added: true }, 'the result of adding');
    await admin.topicUpdate.set('kinds/x', dataType, first);
    same(await admin.topicUpdate.set('kinds/x', dataType, second, { specification }), EXISTS, 'setting a topic that exists');
    same(await admin.topicUpdate.set('kinds/y', dataType, third, { specification }), CREATED, 'setting a new topic');
    await watch.until(seen => seen.values.length === 3, 'three values');
    same(watch.values, [['kinds/x', one], ['kinds/x', two], ['kinds/y', three]], 'the values seen');

    const late = t.watch(await selecting(t, 'kinds/x'), 'kinds/x', dataType);
    await late.until(seen => seen.values.length === 1, 'the current value');
    same(late.values, [['kinds/x', two]], 'what a later session sees first');

    const result = await reader.fetchRequest().withValues(dataType).fetch('?kinds//');
    const fetched = result.results().map(entry => [entry.path(), entry.type()]);
    same(fetched, [['kinds/x', specification.type], ['kinds/y', specification.type]], 'the topics fetched');

    same((await admin.topics.remove('?kinds//')).removedCount, 2, 'the number of topics removed');
    await watch.until(seen => seen.unsubscribed.length === 2, 'the end of two subscriptions');
    same(watch.unsubscribed.sort(), [['kinds/x', REMOVED], ['kinds/y', REMOVED]], 'the end of the subscriptions');
}

async function selecting(t, selector) {
    const session = await t.connect('client');
    await session.select(selector);
    return session;
}

const perType = Object.fromEntries(
    Object.keys(TYPES).map(name => [`adds, sets, watches, fetches and removes ${name} topics`, t => carries(t, name)]),
);

export const cases = {
    ...perType,

    async 'adds a topic once'(t) {
        const admin = await t.connect('admin');
        same(await admin.topics.add('once/a', t.topic('JSON')), { topic: 'once/a', added: true }, 'the first time');
        same(await admin.topics.add('once/a', t.topic('JSON')), { topic: 'once/a', added: false }, 'the second time');
        const defaults = t.topic('JSON', { PUBLISH_VALUES_ONLY: 'false', COMPRESSION: 'low' });
        same(await admin.topics.add('once/a', defaults), { topic: 'once/a', added: false }, 'with properties that are the defaults');
    },

    async 'is refused a topic with another specification'(t) {
        const admin = await t.connect('admin');
        await t.add(admin, 'twice/a');
        const other = t.topic('STRING');
        same(await refusal(admin.topics.add('twice/a', other), 'another type'), EXISTS_MISMATCH, 'the reason');
        const properties = t.topic('JSON', { DONT_RETAIN_VALUE: 'true' });
        same(await refusal(admin.topics.add('twice/a', properties), 'other properties'), EXISTS_MISMATCH, 'the reason');
    },

    async 'is refused a topic with an invalid path'(t) {
        const admin = await t.connect('admin');
        for (const path of ['a//b', '//', 'a///']) {
            same(await refusal(admin.topics.add(path, t.topic('JSON')), `path '${path}'`), INVALID_NAME, 'the reason');
        }
    },

    async 'removes only what a selector matches'(t) {
        const admin = await t.connect('admin');
        await t.add(admin, 'r', 'r/a', 'r/a/b', 'r/c');
        same((await admin.topics.remove('r/a')).removedCount, 1, 'one path');
        same((await admin.topics.remove('?r/')).removedCount, 2, 'the descendants');
        same((await admin.topics.remove('?nothing//')).removedCount, 0, 'nothing');
        same(await t.fetchPaths(admin.fetchRequest(), '?r//'), ['r'], 'what is left');
    },

    async 'adds a removed topic again'(t) {
        const admin = await t.connect('admin');
        const watch = t.watch(admin, 'again');
        await admin.select('again');
        await t.set(admin, 'again', 1, { specification: t.topic('JSON') });
        await admin.topics.remove('again');
        await t.set(admin, 'again', 2, { specification: t.topic('JSON') });
        await watch.until(seen => seen.values.length === 2, 'two values');
        const story = watch.events.map(({ event, value }) => (event === 'value' ? value : event));
        same(story, ['subscribe', 1, 'unsubscribe', 'subscribe', 2], 'the events');
    },

    async 'reads but does not write as an anonymous session'(t) {
        const admin = await t.connect('admin');
        await t.set(admin, 'guarded', 1, { specification: t.topic('JSON') });
        const guest = await t.connect('anonymous');
        const watch = t.watch(guest, 'guarded');
        await guest.select('guarded');
        await watch.until(seen => seen.values.length === 1, 'the value');

        same(await refusal(guest.topics.add('mine', t.topic('JSON')), 'adding'), PERMISSIONS_FAILURE, 'the reason');
        same(await refusal(t.set(guest, 'guarded', 2), 'setting'), ACCESS_DENIED, 'the reason');
        const adding = t.set(guest, 'mine', 2, { specification: t.topic('JSON') });
        same(await refusal(adding, 'adding and setting'), ACCESS_DENIED, 'the reason');
        const removed = await guest.topics.remove('guarded').then(result => result.removedCount, error => error.id);
        same([0, ACCESS_DENIED].includes(removed), true, 'removing nothing');
        same(await t.fetchPaths(guest.fetchRequest(), '?guarded//', '?mine//'), ['guarded'], 'the topics');
    },
};
