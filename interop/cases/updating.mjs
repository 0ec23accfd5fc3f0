import { refusal, same } from '../lib/check.mjs';

const NO_SUCH_TOPIC = 9000;
const UNSATISFIED_CONSTRAINT = 9012;
const INVALID_UPDATE_STREAM = 9013;
const INCOMPATIBLE_UPDATE = 500;

const CREATED = 1;
const EXISTS = 2;

async function valueAt(t, session, path) {
    const result = await session.fetchRequest().withValues(t.json).fetch(path);
    return result.results()[0]?.value()?.get() ?? null;
}

async function constrained(t, path) {
    const admin = await t.connect('admin');
    const specification = t.topic('JSON');
    const set = (value, constraint) => t.set(admin, path, value, { constraint, specification });
    return { admin, set, is: t.diffusion.updateConstraints() };
}

export const cases = {
    async 'is refused an update of no topic or of another type'(t) {
        const admin = await t.connect('admin');
        same(await refusal(t.set(admin, 'w/none', 1), 'no topic'), NO_SUCH_TOPIC, 'the reason');
        await t.add(admin, 'w/json');
        const text = admin.topicUpdate.set('w/json', t.diffusion.datatypes.string(), 'x');
        same(await refusal(text, 'a text for a JSON topic'), INCOMPATIBLE_UPDATE, 'the reason');
    },

    async 'updates under constraints of topics and values'(t) {
        const { is, set, admin } = await constrained(t, 'c/a');
        same(await set({ a: 1, b: 'x' }, is.noTopic()), CREATED, 'when there is no topic');
        same(await refusal(set(2, is.noTopic()), 'a topic is there'), UNSATISFIED_CONSTRAINT, 'the reason');
        same(await set({ a: 4 }, is.value({ a: 1, b: 'x' }, t.json)), EXISTS, 'when the value is');
        same(await refusal(set(3, is.value({ a: 1 }, t.json)), 'another value'), UNSATISFIED_CONSTRAINT, 'the reason');
        const either = is.noTopic().or(is.value({ a: 4 }, t.json));
        same(await set({ a: 5 }, either), EXISTS, 'when one of two is');
        same(await valueAt(t, admin, 'c/a'), { a: 5 }, 'the value in the end');

        await t.add(admin, 'c/empty');
        const first = { constraint: is.noValue() };
        await t.set(admin, 'c/empty', 1, first);
        same(await refusal(t.set(admin, 'c/empty', 2, first), 'a value is there'), UNSATISFIED_CONSTRAINT, 'the reason');
    },

    async 'updates under comparisons of values'(t) {
        const { is, admin } = await constrained(t, 'c/b');
        const [int64, double, string] = [t.diffusion.datatypes.int64(), t.diffusion.datatypes.double(), t.diffusion.datatypes.string()];
        const { EQ, NE, GT, GE, LT, LE } = t.diffusion.topicUpdate.UpdateConstraintOperator;
        const set = (value, constraint) => admin.topicUpdate.set('c/number', int64, value, { constraint, specification: t.topic('INT64') });
        await set(5);
        const holding = [is.value(GT, 4, int64), is.value(GE, 5, int64), is.value(EQ, 5, int64), is.value(NE, 6, int64), is.value(LT, 5.5, double), is.value(LE, 5, int64)];
        for (const constraint of holding) same(await set(5, constraint), EXISTS, 'when it compares');
        const failing = [is.value(GT, 5, int64), is.value(GE, 6, int64), is.value(EQ, 6, int64), is.value(NE, 5, int64), is.value(LT, 5, int64), is.value(LE, 4.5, double)];
        for (const constraint of failing) same(await refusal(set(7, constraint), 'it does not compare'), UNSATISFIED_CONSTRAINT, 'the reason');
        const between = is.value(GT, 1, int64).and(is.value(LT, 9, int64));
        same(await set(6, between), EXISTS, 'when both hold');
        same(await refusal(set(7, is.value(GT, 6, int64).or(is.value(LT, 6, int64))), 'none holds'), UNSATISFIED_CONSTRAINT, 'the reason');

        const text = (value, constraint) => admin.topicUpdate.set('c/text', string, value, { constraint, specification: t.topic('STRING') });
        await text('12');
        same(await text('12', is.value(EQ, '12', string).and(is.value(NE, 'a', string))), EXISTS, 'when the text is');
        same(await text('thirteen', is.value(GT, 5, int64)), EXISTS, 'when the text is a number');
        same(await refusal(text('x', is.value(GT, 5, int64)), 'the text is no number'), UNSATISFIED_CONSTRAINT, 'the reason');
    },

    async 'updates under constraints of parts of JSON values'(t) {
        const { is, set, admin } = await constrained(t, 'c/c');
        const { GE, LT, EQ } = t.diffusion.topicUpdate.UpdateConstraintOperator;
        const [int64, string] = [t.diffusion.datatypes.int64(), t.diffusion.datatypes.string()];
        const value = { a: 2, b: 'x', list: [1, { deep: 'y' }], none: null };
        await set(value);
        const part = is.jsonValue().with('/a', 2, int64).without('/c');
        same(await set(value, part), EXISTS, 'when a part of the value is');
        const compared = is.jsonValue().with('/a', 2, GE, int64).with('/list/1/deep', 'y', EQ, string).without('/list/2');
        same(await set(value, compared), EXISTS, 'when parts compare');
        same(await refusal(set(4, is.jsonValue().with('/a', 2, LT, int64)), 'it is not less'), UNSATISFIED_CONSTRAINT, 'the reason');
        same(await refusal(set(4, is.jsonValue().without('/none')), 'null is there'), UNSATISFIED_CONSTRAINT, 'the reason');
        same(await set({ a: 3 }, is.noTopic().or(part)), EXISTS, 'when one of two holds');
        same(await refusal(set(4, is.jsonValue().without('/a')), 'the part is there'), UNSATISFIED_CONSTRAINT, 'the reason');

        const stream = constraint => admin.topicUpdate.createUpdateStream('c/c', t.json, { constraint });
        same(await refusal(stream(is.jsonValue().with('/a', 2, int64)).set(1), 'another part'), UNSATISFIED_CONSTRAINT, 'the reason');
        same(await stream(is.jsonValue().with('/a', 3, int64)).set({ a: 4 }), EXISTS, 'a stream under a constraint');
    },

    async 'updates by a stream'(t) {
        const admin = await t.connect('admin');
        const reader = await t.connect('client');
        const watch = t.watch(reader, 'stream/a');
        await reader.select('stream/a');
        const stream = admin.topicUpdate.createUpdateStream('stream/a', t.json, { specification: t.topic('JSON', { CONFLATION: 'off' }) });
        const values = Array.from({ length: 400 }, (_, n) => ({ n, list: [n % 3, { even: n % 2 === 0 }], text: `the same text with ${n * n} in it, and more of it` }));
        same(await stream.set(values[0]), CREATED, 'the first value');
        await Promise.all(values.slice(1).map(value => stream.set(value)));
        await watch.until(seen => seen.values.length === values.length, 'each value');
        same(watch.valuesOf('stream/a'), values, 'the values');

        const validated = admin.topicUpdate.createUpdateStream('stream/a', t.json);
        same(await validated.validate(), EXISTS, 'the topic of a stream without a value');
        await validated.set(values[7]);
        same(await valueAt(t, admin, 'stream/a'), values[7], 'the value of the second stream');
        await validated.validate();
    },

    async 'is told that a stream has ended'(t) {
        const admin = await t.connect('admin');
        const other = await t.connect('admin');
        const begin = async path => {
            const stream = admin.topicUpdate.createUpdateStream(path, t.json, { specification: t.topic('JSON') });
            await stream.set({ n: 0 });
            return stream;
        };
        const endings = {
            set: path => t.set(other, path, 'from elsewhere'),
            stream: path => other.topicUpdate.createUpdateStream(path, t.json).validate(),
            removal: path => other.topics.remove(path),
        };
        for (const [name, end] of Object.entries(endings)) {
            const [stream, validated] = [await begin(`ended/${name}`), await begin(`ended/${name}/validated`)];
            await end(`ended/${name}`);
            await end(`ended/${name}/validated`);
            same(await refusal(stream.set({ n: 1 }), `a stream after a ${name}`), INVALID_UPDATE_STREAM, 'the reason');
            same(await refusal(validated.validate(), `a check after a ${name}`), INVALID_UPDATE_STREAM, 'the reason');
        }
        same(await valueAt(t, admin, 'ended/set'), 'from elsewhere', 'the value');

        const none = admin.topicUpdate.createUpdateStream('ended/none', t.json);
        same(await refusal(none.set(1), 'a stream of no topic'), NO_SUCH_TOPIC, 'the reason');
    },

    async 'updates by a JSON patch'(t) {
        const admin = await t.connect('admin');
        await t.set(admin, 'patch/a', { a: 1, list: [1, 2] }, { specification: t.topic('JSON') });
        const patch = [{ op: 'replace', path: '/a', value: 2 }, { op: 'add', path: '/list/-', value: 3 }];
        same(await admin.topicUpdate.applyJsonPatch('patch/a', patch), {}, 'the result');
        same(await valueAt(t, admin, 'patch/a'), { a: 2, list: [1, 2, 3] }, 'the value');
        const failing = [{ op: 'test', path: '/a', value: 2 }, { op: 'remove', path: '/none' }];
        same(await admin.topicUpdate.applyJsonPatch('patch/a', failing), { failedOperation: 1 }, 'a patch that cannot be applied');
    },
};
