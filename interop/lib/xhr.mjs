// An XMLHttpRequest for Node, as far as a polling client needs one: asynchronous requests whose
// answer is read as text, one character per byte where the caller asks for `x-user-defined`.

import http from 'node:http';
import https from 'node:https';

const options = { keepAlive: true };
const plain = { request: http.request, agent: new http.Agent(options) };
const secure = { request: https.request, agent: new https.Agent(options) };

export class XMLHttpRequest {
    static UNSENT = 0;
    static OPENED = 1;
    static HEADERS_RECEIVED = 2;
    static LOADING = 3;
    static DONE = 4;

    readyState = 0;
    status = 0;
    statusText = '';
    responseText = '';
    timeout = 0;
    withCredentials = false;
    onreadystatechange = null;
    onload = null;
    onerror = null;
    onabort = null;
    ontimeout = null;

    #target;
    #headers = {};
    #mimeType = '';
    #request = null;
    #answerHeaders = {};

    open(method, url) {
        this.#target = { method, url: new URL(url) };
        this.#moveTo(1);
    }

    setRequestHeader(name, value) {
        this.#headers[name] = String(value);
    }

    overrideMimeType(mimeType) {
        this.#mimeType = mimeType;
    }

    getResponseHeader(name) {
        return this.#answerHeaders[name.toLowerCase()] ?? null;
    }

    send(body) {
        const { method, url } = this.#target;
        const { request, agent } = url.protocol === 'https:' ? secure : plain;
        this.#request = request(url, { method, headers: this.#headers, agent });
        this.#request.on('response', answer => this.#read(answer));
        this.#request.on('error', () => this.#fail('onerror'));
        if (typeof body === 'string' && !('content-type' in this.#headers)) {
            this.#request.setHeader('Content-Type', 'text/plain;charset=UTF-8');
        }
        this.#request.end(body ? Buffer.from(body) : undefined);
    }

    abort() {
        const request = this.#request;
        this.#request = null;
        request?.destroy();
        this.onabort?.();
    }

    #read(answer) {
        const parts = [];
        answer.on('data', part => parts.push(part));
        answer.on('error', () => this.#fail('onerror'));
        answer.on('end', () => {
            if (this.#request === null) return;
            this.#request = null;
            this.status = answer.statusCode;
            this.statusText = answer.statusMessage;
            this.#answerHeaders = answer.headers;
            this.responseText = this.#text(Buffer.concat(parts));
            this.#moveTo(4);
            this.onload?.();
        });
    }

    #text(bytes) {
        if (!this.#mimeType.includes('x-user-defined')) return bytes.toString('utf8');
        return Array.from(bytes, byte => String.fromCharCode(byte < 0x80 ? byte : 0xf700 + byte)).join('');
    }

    #fail(handler) {
        if (this.#request === null) return;
        this.#request = null;
        this.status = 0;
        this.#moveTo(4);
        this[handler]?.();
    }

    #moveTo(state) {
        this.readyState = state;
        this.onreadystatechange?.();
    }
}
