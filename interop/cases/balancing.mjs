import { same } from '../lib/check.mjs';

const CHANGES = 20;

/**
 * The nodes know nothing of each other, so each session works on a topic of its own: a request that
 * reaches the other node finds neither the session nor the topic.
 */
async function staysOnItsNode(t) {
    const count = t.transport === 'XHR' ? 3 : 8;
    const sessions = await Promise.all(Array.from({ length: count }, () => t.connect('admin')));
    await Promise.all(sessions.map((session, number) => worksAlone(t, session, `own/${number}`)));
}

async function worksAlone(t, session, path) {
    const watch = t.watch(session, path);
    await session.select(path);
    await session.topics.add(path, t.topic('JSON', { CONFLATION: 'off' }));
    const values = Array.from({ length: CHANGES }, (_, n) => ({ n, path }));
    for (const value of values) await t.set(session, path, value);
    await watch.until(seen => seen.values.length === CHANGES, `${CHANGES} values of ${path}`);
    same(watch.valuesOf(path), values, `the values of ${path}`);
}

export const cases = {
    'stays on its node behind HAProxy': staysOnItsNode,
    'stays on its node behind nginx': staysOnItsNode,
};
