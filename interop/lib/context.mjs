// What a case works with: sessions of the published client against one server.

import { Mismatch, holds, isNotBuilt, plain, within } from './check.mjs';

/** How long a case waits for something that must come, in milliseconds. */
const PATIENCE = 15_000;

export class Context {
    #sessions = [];

    /**
     * `server` is `{ url, secureUrl, proxy, pid, password }`: `pid` is there only where a case may signal the
     * server, `secureUrl` where something ends TLS in front of it, `proxy` where a forward proxy is between.
     */
    constructor(diffusion, server, transport) {
        this.diffusion = diffusion;
        this.server = server;
        this.transport = transport;
        this.json = diffusion.datatypes.json();
    }

    /** Where the server is, as options of the client. */
    get address() {
        return this.#addressOf(this.server.url);
    }

    /** The same with TLS. */
    get secureAddress() {
        return this.#addressOf(this.server.secureUrl);
    }

    #addressOf(url) {
        const { protocol, hostname, port, pathname } = new URL(url);
        const secure = protocol === 'https:';
        return { host: hostname, port: Number(port), path: pathname, secure, transports: [this.transport] };
    }

    /** Connects as a development principal; `principal: undefined` connects anonymously. */
    async connect(principal = 'admin', options = {}) {
        const who = principal === 'anonymous' ? {} : { principal, credentials: this.server.password };
        const connecting = this.diffusion.connect({ ...this.address, ...who, ...options });
        const session = await within(PATIENCE, connecting, `${principal} to be connected`);
        this.#sessions.push(session);
        return session;
    }

    /** Adds a stream to the session that keeps what it gets; select afterwards. */
    watch(session, selector, dataType = this.json) {
        return new Watch(session.addStream(selector, dataType));
    }

    topic(name, properties = {}) {
        const { TopicSpecification, TopicType } = this.diffusion.topics;
        holds(name in TopicType, `the client to know the topic type ${name}`);
        return new TopicSpecification(TopicType[name], properties);
    }

    /** Adds a JSON topic for each path. */
    async add(session, ...paths) {
        await Promise.all(paths.map(path => session.topics.add(path, this.topic('JSON'))));
    }

    set(session, path, value, options) {
        return session.topicUpdate.set(path, this.json, value, options);
    }

    async fetchPaths(request, ...selectors) {
        const result = await request.fetch(...selectors);
        return result.results().map(entry => entry.path());
    }

    /** Ends when the answer to a ping is there: everything sent before has been delivered. */
    async settle(...sessions) {
        await Promise.all(sessions.map(session => within(PATIENCE, session.pingServer(), 'the answer to a ping')));
    }

    async end() {
        for (const session of this.#sessions) {
            if (!session.isClosed()) session.close();
        }
    }
}

/** The events of a value stream, in order. */
class Watch {
    events = [];
    #wakers = [];

    constructor(stream) {
        this.stream = stream;
        stream.on({
            subscribe: path => this.#note({ event: 'subscribe', path }),
            unsubscribe: (path, _, reason) => this.#note({ event: 'unsubscribe', path, reason: reason.id ?? reason.reason }),
            value: (path, _, value) => this.#note({ event: 'value', path, value: plain(value) }),
            error: error => this.#note({ event: 'error', error: String(error?.reason ?? error) }),
        });
    }

    get values() {
        return this.of('value').map(({ path, value }) => [path, value]);
    }

    valuesOf(path) {
        return this.values.filter(([at]) => at === path).map(([, value]) => value);
    }

    get subscribed() {
        return this.of('subscribe').map(({ path }) => path);
    }

    get unsubscribed() {
        return this.of('unsubscribe').map(({ path, reason }) => [path, reason]);
    }

    of(event) {
        return this.events.filter(entry => entry.event === event);
    }

    /** Ends when the watch fulfils the test. */
    async until(test, what) {
        const fulfilled = async () => {
            while (!test(this)) await new Promise(wake => this.#wakers.push(wake));
        };
        await within(PATIENCE, fulfilled(), () => `${what}; the stream saw ${this.#summary()}`);
    }

    #note(event) {
        this.events.push(event);
        for (const wake of this.#wakers.splice(0)) wake();
    }

    #summary() {
        const last = JSON.stringify(this.events.slice(-5)).slice(0, 400);
        return `${this.events.length} events, last ${last}`;
    }
}

/** Runs a case and says how it went: `{ outcome: 'works' | 'not built' | 'failed', detail }`. */
export async function outcomeOf(run, context) {
    try {
        await within(50_000, run(context), 'the end of the case');
        return { outcome: 'works' };
    } catch (error) {
        if (isNotBuilt(error)) return { outcome: 'not built' };
        return { outcome: 'failed', detail: describe(error) };
    } finally {
        await context.end();
    }
}

export function describe(error) {
    if (error instanceof Mismatch) return error.message;
    if (error instanceof Error) return error.stack ?? error.message;
    return `rejected with ${JSON.stringify(error) ?? String(error)}`;
}
