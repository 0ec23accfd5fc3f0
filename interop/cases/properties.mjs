import { refusal, same } from '../lib/check.mjs';

const UPDATE_FAILED = 501;
const INVALID_DETAILS = 4;
const LINE = 'a line that repeats well, as most things do; ';

/** A publisher, and a reader that watches `path`, a topic with the properties given. */
async function topicWith(t, path, properties, type = 'JSON', dataType = t.json) {
    const { publisher, reader, watch } = await pair(t, path, dataType);
    await publisher.topics.add(path, t.topic(type, properties));
    return { publisher, reader, watch };
}

/** A publisher, and a reader that watches what the selector selects. */
async function pair(t, selector, dataType = t.json) {
    const publisher = await t.connect('admin');
    const reader = await t.connect('client');
    const watch = t.watch(reader, selector, dataType);
    await reader.select(selector);
    return { publisher, reader, watch };
}

async function fetchedProperties(t, path, properties) {
    const { reader } = await topicWith(t, path, properties);
    const result = await reader.fetchRequest().withProperties().fetch(path);
    return result.results()[0].specification().properties;
}

export const cases = {
    async 'keeps no value of a topic with DONT_RETAIN_VALUE'(t) {
        const { publisher, watch } = await topicWith(t, 'p/fleeting', { DONT_RETAIN_VALUE: 'true' });
        for (const value of [1, 1, { a: 2 }]) await t.set(publisher, 'p/fleeting', value);
        await watch.until(seen => seen.values.length === 3, 'each value, also one that did not change');
        same(watch.valuesOf('p/fleeting'), [1, 1, { a: 2 }], 'the values');

        const late = await t.connect('client');
        const lateWatch = t.watch(late, 'p/fleeting');
        await late.select('p/fleeting');
        await t.settle(late);
        same(lateWatch.values, [], 'what a later session sees');
        const result = await late.fetchRequest().withValues(t.json).fetch('p/fleeting');
        same(result.results().map(entry => entry.value() ?? null), [null], 'the value fetched');
    },

    async 'sees every change of a topic with PUBLISH_VALUES_ONLY'(t) {
        const { publisher, watch } = await topicWith(t, 'p/whole', { PUBLISH_VALUES_ONLY: 'true', CONFLATION: 'off' });
        const values = Array.from({ length: 30 }, (_, n) => ({ n, same: LINE.repeat(5) }));
        for (const value of values) await t.set(publisher, 'p/whole', value);
        await watch.until(seen => seen.values.length === values.length, 'each value');
        same(watch.valuesOf('p/whole'), values, 'the values');
    },

    async 'sees big values of topics with any COMPRESSION'(t) {
        const { publisher, watch } = await pair(t, '?p/compressed//');
        for (const level of ['off', 'low', 'medium', 'high']) {
            const path = `p/compressed/${level}`;
            await publisher.topics.add(path, t.topic('JSON', { COMPRESSION: level, CONFLATION: 'off' }));
            const values = [0, 1, 2].map(n => ({ n, text: LINE.repeat(2_000 + n), more: LINE.repeat(100 * n) }));
            for (const value of values) await t.set(publisher, path, value);
            await watch.until(seen => seen.valuesOf(path).length === values.length, 'each value');
            same(watch.valuesOf(path), values, `the values at ${level}`);
        }
    },

    async 'is refused a value that VALIDATE_VALUES forbids'(t) {
        const { publisher, watch } = await topicWith(t, 'p/valid', { VALIDATE_VALUES: 'true' });
        await t.set(publisher, 'p/valid', { a: 1 });
        // A text of five letters that ends after two.
        const broken = t.json.readValue(new Uint8Array([0x65, 0x61, 0x62]));
        same(await refusal(t.set(publisher, 'p/valid', broken), 'bytes that are no value'), UPDATE_FAILED, 'the reason');
        await t.set(publisher, 'p/valid', { a: 2 });
        await watch.until(seen => seen.values.length === 2, 'the values');
        same(watch.valuesOf('p/valid'), [{ a: 1 }, { a: 2 }], 'the values');
    },

    async 'sees every change of a topic with CONFLATION off'(t) {
        const { publisher, watch } = await topicWith(t, 'p/off', { CONFLATION: 'off' });
        const values = Array.from({ length: 200 }, (_, n) => n);
        await Promise.all(values.map(value => t.set(publisher, 'p/off', value)));
        await watch.until(seen => seen.values.length === values.length, 'each value');
        same(watch.valuesOf('p/off'), values, 'the values');
    },

    async 'sees the last change of a topic with CONFLATION always'(t) {
        const { publisher, watch } = await topicWith(t, 'p/always', { CONFLATION: 'always' });
        const values = Array.from({ length: 200 }, (_, n) => ({ n, text: LINE.repeat(1 + (n % 7)) }));
        await Promise.all(values.map(value => t.set(publisher, 'p/always', value)));
        await watch.until(seen => seen.values.at(-1)?.[1].n === 199, 'the last value');
        const order = watch.valuesOf('p/always').map(value => value.n);
        same(order, [...order].sort((one, other) => one - other), 'the order of the values');
        for (const value of watch.valuesOf('p/always')) same(value, values[value.n], `value ${value.n}`);
    },

    async 'is unsubscribed from a topic with TIDY_ON_UNSUBSCRIBE'(t) {
        const { publisher, reader, watch } = await topicWith(t, 'p/tidy', { TIDY_ON_UNSUBSCRIBE: 'true' });
        await Promise.all(Array.from({ length: 50 }, (_, n) => t.set(publisher, 'p/tidy', n)));
        await reader.unsubscribe('p/tidy');
        await t.set(publisher, 'p/tidy', 'unseen');
        await t.settle(publisher, reader);
        same(watch.unsubscribed.length, 1, 'the number of ends of the subscription');
        same(watch.events.at(-1).event, 'unsubscribe', 'the last event');
    },

    async 'fetches the properties that it set'(t) {
        const properties = {
            COMPRESSION: 'high', CONFLATION: 'off', OWNER: '$Principal is "admin"', PERSISTENT: 'false', PRIORITY: 'high',
            PUBLISH_VALUES_ONLY: 'true',
        };
        const found = Object.entries(await fetchedProperties(t, 'p/all', properties)).sort();
        same(found, Object.entries(properties), 'the properties');
    },

    async 'is refused a topic with an invalid property'(t) {
        const admin = await t.connect('admin');
        for (const properties of [{ CONFLATION: 'sometimes' }, { REMOVAL: 'when pigs fly' }, { COMPRESSION: 'extreme' }]) {
            const adding = admin.topics.add('p/invalid', t.topic('JSON', properties));
            same(await refusal(adding, JSON.stringify(properties)), INVALID_DETAILS, 'the reason');
        }
    },

    async 'sees a topic removed when the session that made it closes'(t) {
        const owner = await t.connect('admin');
        await t.set(owner, 'p/mine', 1, { specification: t.topic('JSON', { REMOVAL: 'when this session closes' }) });
        const reader = await t.connect('client');
        const watch = t.watch(reader, 'p/mine');
        await reader.select('p/mine');
        await watch.until(seen => seen.values.length === 1, 'the value');
        await owner.closeSession();
        await watch.until(seen => seen.unsubscribed.length === 1, 'the end of the topic');
        same(await t.fetchPaths(reader.fetchRequest(), 'p/mine'), [], 'what is left');
    },

    async 'changes a topic as its OWNER'(t) {
        const admin = await t.connect('admin');
        await admin.topics.add('p/owned', t.topic('JSON', { OWNER: '$Principal is "client"' }));
        const client = await t.connect('client');
        await t.set(client, 'p/owned', 5);
        const result = await admin.fetchRequest().withValues(t.json).fetch('p/owned');
        same(result.results()[0].value().get(), 5, 'the value');
    },
};
