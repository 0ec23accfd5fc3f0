// What a case says about what it saw. Everything here runs in Node and in a browser.

/** Error 104: the server does not have the service that the request names. */
const UNSUPPORTED_SERVICE = 104;

/** What the server says of a part of a service that it does not have. */
const NOT_BUILT = 'not built yet';

/** A case saw something else than it expects. */
export class Mismatch extends Error {}

const shown = value => {
    const text = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part));
    return text === undefined ? String(value) : text.length > 600 ? `${text.slice(0, 600)} …` : text;
};

/** Compares by JSON text: values, arrays and objects whose keys stand in the same order. */
export function same(actual, expected, what) {
    if (shown(actual) !== shown(expected) || JSON.stringify(actual) !== JSON.stringify(expected)) {
        throw new Mismatch(`${what}: expected ${shown(expected)}, found ${shown(actual)}`);
    }
}

export function holds(condition, what) {
    if (!condition) throw new Mismatch(`expected: ${what}`);
}

/** The id of the error that the promise is rejected with; a promise that is kept is a mismatch. */
export async function refusal(promise, what) {
    let kept;
    try {
        kept = await promise;
    } catch (error) {
        if (error instanceof Mismatch || isNotBuilt(error)) throw error;
        return errorId(error);
    }
    throw new Mismatch(`${what}: expected a refusal, found ${shown(kept)}`);
}

/** The number by which the client names an error, `null` where it has none. */
export function errorId(error) {
    return error?.id ?? error?.cause?.id ?? null;
}

/** Whether an error is the server's word that it does not offer something. */
export function isNotBuilt(error) {
    const says = error?.reason ?? error?.message ?? '';
    return errorId(error) === UNSUPPORTED_SERVICE || String(says).includes(NOT_BUILT);
}

/** Ends with the promise, or with a mismatch that says what was awaited. */
export function within(milliseconds, promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        const say = () => reject(new Mismatch(`not within ${milliseconds} ms: ${typeof what === 'function' ? what() : what}`));
        timer = setTimeout(say, milliseconds);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a person would call the value of a topic: plain JSON, text, numbers as text, bytes as hex. */
export function plain(value) {
    if (value === null || value === undefined) return null;
    if (typeof value !== 'object') return value;
    if (typeof value.asRecords === 'function') return value.asRecords();
    if (typeof value.get === 'function') {
        const inner = value.get();
        return inner instanceof Uint8Array ? hex(inner) : inner;
    }
    // Whole numbers that a number of JavaScript cannot hold.
    if (typeof value.toNumber === 'function') return value.toString();
    return value;
}

export function hex(bytes) {
    return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
