import { hex, same } from '../lib/check.mjs';

const CHANGES = 300;
const MEBIBYTE = 1024 * 1024;

/** Numbers that look random and are the same in every run. */
function numbers(seed) {
    let state = seed;
    return bound => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * bound);
    };
}

function text(next, length) {
    return Array.from({ length }, () => String.fromCharCode(97 + next(26))).join('');
}

/** Changes one thing of the value, as an application would: a field, an item, now and then all of it. */
function changed(value, next) {
    const copy = structuredClone(value);
    const kind = next(10);
    if (kind === 0) return { rows: [], note: text(next, 5 + next(60)), count: next(1e9) };
    if (kind < 4) copy.count = next(1e9) - 5e8;
    else if (kind < 6) copy.note = text(next, next(200));
    else if (kind < 9) copy.rows.splice(next(copy.rows.length + 1), 0, { id: next(1e6), name: text(next, 8), price: next(1e6) / 8 });
    else copy.rows.splice(next(copy.rows.length + 1), 1);
    return copy;
}

function history(seed) {
    const next = numbers(seed);
    const values = [{ rows: [], note: '', count: 0 }];
    while (values.length < CHANGES) {
        const value = changed(values.at(-1), next);
        if (JSON.stringify(value) !== JSON.stringify(values.at(-1))) values.push(value);
    }
    return values;
}

async function sees(watch, path, expected) {
    await watch.until(seen => seen.valuesOf(path).length >= expected.length, `${expected.length} values`);
    const found = watch.valuesOf(path);
    expected.forEach((value, index) => same(found[index], value, `value ${index}`));
    same(found.length, expected.length, 'the number of values');
}

export const cases = {
    async 'sees 300 random JSON changes, equal and in order'(t) {
        const values = history(7);
        const publisher = await t.connect('admin');
        const reader = await t.connect('client');
        const watch = t.watch(reader, 'changes');
        await reader.select('changes');
        await publisher.topics.add('changes', t.topic('JSON', { CONFLATION: 'off' }));
        for (const value of values) await t.set(publisher, 'changes', value);
        await sees(watch, 'changes', values);
    },

    async 'sees a burst of 300 JSON changes, equal and in order'(t) {
        const values = history(11);
        const publisher = await t.connect('admin');
        const reader = await t.connect('client');
        const watch = t.watch(reader, 'burst');
        await reader.select('burst');
        await publisher.topics.add('burst', t.topic('JSON', { CONFLATION: 'off' }));
        await Promise.all(values.map(value => t.set(publisher, 'burst', value)));
        await sees(watch, 'burst', values);
    },

    async 'sees changes of texts and bytes'(t) {
        const { string, binary } = { string: t.diffusion.datatypes.string(), binary: t.diffusion.datatypes.binary() };
        const next = numbers(3);
        const texts = Array.from({ length: 40 }, (_, index) => `${index} ${text(next, 30).repeat(1 + next(5))}`);
        const bytes = texts.map(line => new TextEncoder().encode(`same beginning, ${line}, same end`));
        const publisher = await t.connect('admin');
        const reader = await t.connect('client');
        const textWatch = t.watch(reader, 'changing/text', string);
        const byteWatch = t.watch(reader, 'changing/bytes', binary);
        await reader.select('?changing//');
        await publisher.topics.add('changing/text', t.topic('STRING', { CONFLATION: 'off' }));
        await publisher.topics.add('changing/bytes', t.topic('BINARY', { CONFLATION: 'off' }));
        for (const line of texts) await publisher.topicUpdate.set('changing/text', string, line);
        for (const line of bytes) await publisher.topicUpdate.set('changing/bytes', binary, line);
        await sees(textWatch, 'changing/text', texts);
        await sees(byteWatch, 'changing/bytes', bytes.map(hex));
    },

    async 'carries a value of 1 MiB and its changes'(t) {
        const big = text(numbers(5), MEBIBYTE);
        const values = [{ big, n: 1 }, { big: `${big.slice(0, 500_000)}!${big.slice(500_000)}`, n: 2 }];
        const publisher = await t.connect('admin');
        const reader = await t.connect('client');
        const watch = t.watch(reader, 'large');
        await reader.select('large');
        await publisher.topics.add('large', t.topic('JSON', { CONFLATION: 'off' }));
        for (const value of values) await t.set(publisher, 'large', value);
        await sees(watch, 'large', values);
        const fetched = await reader.fetchRequest().withValues(t.json).fetch('large');
        same(fetched.results()[0].value().get().n, 2, 'the value fetched');
    },

    async 'sets a value to null'(t) {
        const types = t.diffusion.datatypes;
        const kinds = [['STRING', types.string(), 'x'], ['INT64', types.int64(), 5], ['DOUBLE', types.double(), 0.5]];
        const publisher = await t.connect('admin');
        const reader = await t.connect('client');
        for (const [name, dataType, value] of kinds) {
            const path = `nulls/${name}`;
            const watch = t.watch(reader, path, dataType);
            await reader.select(path);
            await publisher.topics.add(path, t.topic(name));
            await publisher.topicUpdate.set(path, dataType, value);
            await publisher.topicUpdate.set(path, dataType, null);
            await sees(watch, path, [value, null]);

            const late = await t.connect('client');
            const lateWatch = t.watch(late, path, dataType);
            await late.select(path);
            await t.settle(late);
            same(lateWatch.values, [], `what a later session sees of ${name}`);
        }
    },

    async 'is not sent a value that did not change'(t) {
        const publisher = await t.connect('admin');
        const reader = await t.connect('client');
        const watch = t.watch(reader, 'still');
        await reader.select('still');
        await t.add(publisher, 'still');
        for (const value of [1, 1, 1, 2, 2, 1]) await t.set(publisher, 'still', value);
        await sees(watch, 'still', [1, 2, 1]);
    },
};
