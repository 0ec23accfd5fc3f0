import { holds, refusal, same } from '../lib/check.mjs';

const REQUESTED = 0;
const REMOVED = 2;
const INVALID_DATA = 106;

const TREE = ['a', 'a/b', 'a/b/c', 'b', 'b/c'];

/** Selector, and which topics of the tree it selects. */
const SELECTIONS = [
    ['a/b', ['a/b']],
    ['>a/b', ['a/b']],
    ['>/a/b/', ['a/b']],
    ['?a/b', ['a/b']],
    ['?a/b/', ['a/b/c']],
    ['?a/b//', ['a/b', 'a/b/c']],
    ['*a/b//', ['a/b', 'a/b/c']],
    ['?a/.*//', ['a/b', 'a/b/c']],
    ['?.*//', ['a', 'a/b', 'a/b/c', 'b', 'b/c']],
    ['?.*', ['a', 'b']],
    ['*a|b', ['a', 'b']],
    ['*.*c', ['a/b/c', 'b/c']],
    ['#>a////?b//', ['a', 'b', 'b/c']],
    ['?[ab]/c', ['b/c']],
    ['?nothing//', []],
];

export const cases = {
    async 'subscribes by selectors of each kind'(t) {
        const admin = await t.connect('admin');
        await t.add(admin, ...TREE);
        for (const [selector, expected] of SELECTIONS) {
            const session = await t.connect('client');
            const watch = t.watch(session, '?.*//');
            await session.select(selector);
            same([...watch.subscribed].sort(), expected, `the topics of ${selector}`);
            await session.closeSession();
        }
    },

    async 'subscribes to topics that are added later'(t) {
        const admin = await t.connect('admin');
        for (const selector of ['later/a/b', '?later/.*/b//', '*later.*b', '#later/a/b////?later/none']) {
            const session = await t.connect('client');
            const watch = t.watch(session, '?.*//');
            await session.select(selector);
            same(watch.events, [], `before there is a topic for ${selector}`);
            await t.set(admin, 'later/a/b', 1, { specification: t.topic('JSON') });
            await watch.until(seen => seen.values.length === 1, `the value for ${selector}`);
            await admin.topics.remove('?later//');
            await watch.until(seen => seen.unsubscribed.length === 1, 'the end of the topic');
            same(watch.unsubscribed, [['later/a/b', REMOVED]], 'the reason');
            await session.closeSession();
        }
    },

    async 'unsubscribes and is told that it asked for it'(t) {
        const admin = await t.connect('admin');
        await t.add(admin, 'u/a', 'u/b', 'u/c');
        const session = await t.connect('client');
        const watch = t.watch(session, '?u//');
        await session.select('?u//');
        await session.unsubscribe('u/a');
        await session.unsubscribe('?u/b', 'u/none');
        same(watch.unsubscribed, [['u/a', REQUESTED], ['u/b', REQUESTED]], 'the topics unsubscribed');

        await Promise.all(['u/a', 'u/b', 'u/c'].map(path => t.set(admin, path, 1)));
        await t.settle(admin, session);
        same(watch.values, [['u/c', 1]], 'the values after that');
    },

    async 'keeps a topic out of a wider selection'(t) {
        const admin = await t.connect('admin');
        const session = await t.connect('client');
        const watch = t.watch(session, '?k//');
        await session.select('?k//');
        await session.unsubscribe('k/a');
        await t.add(admin, 'k/a', 'k/b');
        await t.settle(session);
        same(watch.subscribed, ['k/b'], 'the topics');
        await session.select('k/a');
        same(watch.subscribed, ['k/b', 'k/a'], 'the topics after selecting one');
    },

    async 'subscribes in several scopes'(t) {
        const admin = await t.connect('admin');
        await t.add(admin, 's/a', 's/b');
        const session = await t.connect('client');
        const watch = t.watch(session, '?s//');
        await session.selectWithScope('?s//', 'one');
        await session.selectWithScope('s/a', 'two');
        await session.unsubscribeWithScope('?s//', 'one');
        same(watch.unsubscribed, [['s/b', REQUESTED]], 'what no scope selects');
        await session.unsubscribeAllScopes('?s//');
        same(watch.unsubscribed, [['s/b', REQUESTED], ['s/a', REQUESTED]], 'after all scopes');
    },

    async 'subscribes again to what it has'(t) {
        const admin = await t.connect('admin');
        await t.set(admin, 'same/a', 1, { specification: t.topic('JSON') });
        const session = await t.connect('client');
        const watch = t.watch(session, 'same/a');
        for (const selector of ['same/a', '?same//', 'same/a']) await session.select(selector);
        await t.settle(session);
        same(watch.events.map(({ event }) => event), ['subscribe', 'value'], 'the events');
    },

    async 'adds a stream to topics that it has'(t) {
        const admin = await t.connect('admin');
        await t.set(admin, 'late/a', 1, { specification: t.topic('JSON') });
        const session = await t.connect('client');
        await session.select('?late//');
        const watch = t.watch(session, '?late//');
        await watch.until(seen => seen.values.length === 1, 'the cached value');
        const fallback = session.addFallbackStream(t.json);
        holds(fallback !== undefined, 'a fallback stream');
        same(watch.values, [['late/a', 1]], 'the values');
    },

    async 'is refused a selector with look-ahead'(t) {
        const session = await t.connect('client');
        same(await refusal(session.select('*a(?=b)c'), 'look-ahead'), INVALID_DATA, 'the reason');
        same(await refusal(session.fetchRequest().fetch('?(?!a).*//'), 'look-ahead'), INVALID_DATA, 'the reason');
        await t.settle(session);
    },
};
