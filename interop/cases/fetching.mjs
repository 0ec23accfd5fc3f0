import { holds, same } from '../lib/check.mjs';

const PATHS = ['f/a', 'f/a/1', 'f/a/2', 'f/b', 'f/c', 'f/c/x', 'f/c/x/y', 'f/d'];

async function tree(t) {
    const admin = await t.connect('admin');
    await Promise.all(PATHS.map((path, n) => t.set(admin, path, { n }, { specification: t.topic('JSON') })));
    await admin.topics.add('f/text', t.topic('STRING', { PUBLISH_VALUES_ONLY: 'true' }));
    await admin.topicUpdate.set('f/text', t.diffusion.datatypes.string(), 'words');
    return t.connect('client');
}

const ALL = [...PATHS, 'f/text'];

export const cases = {
    async 'fetches paths in order'(t) {
        const session = await tree(t);
        const result = await session.fetchRequest().fetch('?f//');
        same(result.results().map(entry => entry.path()), ALL, 'the paths');
        same([result.size(), result.hasMore(), result.isEmpty()], [ALL.length, false, false], 'size, more, empty');
        holds((await session.fetchRequest().fetch('?none//')).isEmpty(), 'an empty result for nothing');
    },

    async 'fetches ranges'(t) {
        const session = await tree(t);
        const fetch = narrow => t.fetchPaths(narrow(session.fetchRequest()), '?f//');
        same(await fetch(request => request.from('f/c')), ['f/c', 'f/c/x', 'f/c/x/y', 'f/d', 'f/text'], 'from');
        same(await fetch(request => request.after('f/c')), ['f/c/x', 'f/c/x/y', 'f/d', 'f/text'], 'after');
        same(await fetch(request => request.to('f/b')), ['f/a', 'f/a/1', 'f/a/2', 'f/b'], 'to');
        same(await fetch(request => request.before('f/b')), ['f/a', 'f/a/1', 'f/a/2'], 'before');
        same(await fetch(request => request.after('f/a/1').before('f/d')), ['f/a/2', 'f/b', 'f/c', 'f/c/x', 'f/c/x/y'], 'between');
        same(await fetch(request => request.from('f/ba').to('f/bz')), [], 'between two that are not there');
    },

    async 'fetches the first or the last'(t) {
        const session = await tree(t);
        const pages = [];
        let result = await session.fetchRequest().first(4).fetch('?f//');
        for (; ; result = await session.fetchRequest().after(pages.at(-1)).first(4).fetch('?f//')) {
            pages.push(...result.results().map(entry => entry.path()));
            if (!result.hasMore()) break;
        }
        same(pages, ALL, 'all pages of four');
        const last = await session.fetchRequest().last(2).fetch('?f//');
        same(last.results().map(entry => entry.path()), ['f/d', 'f/text'], 'the last two');
        same(last.hasMore(), true, 'more before them');
        const none = await session.fetchRequest().first(0).fetch('?f//');
        same([none.size(), none.hasMore()], [0, true], 'the first none');
    },

    async 'fetches by topic type'(t) {
        const session = await tree(t);
        const { TopicType } = t.diffusion.topics;
        const fetch = types => t.fetchPaths(session.fetchRequest().topicTypes(types), '?f//');
        same(await fetch([TopicType.STRING]), ['f/text'], 'texts');
        same(await fetch([TopicType.JSON]), PATHS, 'JSON');
        same(await fetch([TopicType.INT64, TopicType.BINARY]), [], 'others');
    },

    async 'fetches values'(t) {
        const session = await tree(t);
        const json = await session.fetchRequest().withValues(t.json).fetch('f/a', 'f/d');
        same(json.results().map(entry => entry.value().get()), [{ n: 0 }, { n: 7 }], 'JSON values');
        const text = await session.fetchRequest().withValues(t.diffusion.datatypes.string()).fetch('?f//');
        same(text.results().map(entry => [entry.path(), entry.value()]), [['f/text', 'words']], 'only texts');
        const any = await session.fetchRequest().withValues(t.diffusion.datatypes.any()).fetch('f/text', 'f/b');
        same(any.results().map(entry => entry.path()), ['f/b', 'f/text'], 'values of any type');
    },

    async 'fetches properties'(t) {
        const session = await tree(t);
        const result = await session.fetchRequest().withProperties().fetch('f/d', 'f/text');
        const properties = result.results().map(entry => entry.specification().properties);
        same(properties, [{}, { PUBLISH_VALUES_ONLY: 'true' }], 'the properties');
    },

    async 'fetches sizes'(t) {
        const session = await tree(t);
        const result = await session.fetchRequest().withSizes().fetch('f/text');
        same(result.results()[0].valueSize(), 6, 'the size of a text of five letters');
    },

    async 'fetches no more than the size it asks for'(t) {
        const session = await tree(t);
        const result = await session.fetchRequest().withValues(t.json).maximumResultSize(40).fetch('?f//');
        holds(result.size() > 0 && result.size() < PATHS.length, `a part of the topics, not ${result.size()}`);
        holds(result.hasMore(), 'more to fetch');
        same(result.results().map(entry => entry.path()), PATHS.slice(0, result.size()), 'the first topics');
    },

    async 'fetches a few of each deep branch'(t) {
        const session = await tree(t);
        const fetch = (depth, limit) => t.fetchPaths(session.fetchRequest().limitDeepBranches(depth, limit), '?f//');
        same(await fetch(1, 1), ['f/a'], 'one of the only branch');
        same(await fetch(2, 1), ['f/a', 'f/b', 'f/c', 'f/d', 'f/text'], 'one of each second level');
        same(await fetch(3, 0), ['f/a', 'f/b', 'f/c', 'f/d', 'f/text'], 'nothing below the second level');
        same(await fetch(2, 2), ['f/a', 'f/a/1', 'f/b', 'f/c', 'f/c/x', 'f/d', 'f/text'], 'two of each');
    },
};
