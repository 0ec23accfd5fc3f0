// The page of a suffuse server: fills in the address that the browser used, and shows live values.
'use strict';

const INTERVAL = 500; // ms between two questions
const RETRY = 3000; // ms after one that failed

const status = document.getElementById('status');
const rows = document.getElementById('values');
const pause = document.getElementById('pause');
const selector = document.getElementById('selector');
const cells = new Map(); // path -> { row, type, value }
let asked = selector.value;
let timer;
let round = 0; // a newer question makes the answer to an older one void

function fillInAddress() {
  const { protocol, hostname, host, port, pathname } = location;
  const secure = protocol === 'https:';
  const folder = pathname.replace(/[^/]*$/, '');
  const number = port || (secure ? '443' : '80');
  for (const code of document.querySelectorAll('.panel code[id], #address')) {
    const { filledHost, filledName, filledPort } = document.body.dataset;
    let text = code.textContent;
    if (filledHost) text = text.replaceAll(filledHost, host);
    if (filledName) text = text.replaceAll(`'${filledName}'`, `'${hostname}'`);
    if (filledPort) text = text.replaceAll(`port: ${filledPort}`, `port: ${number}`);
    if (secure) text = text.replaceAll('ws://', 'wss://').replaceAll('secure: false', 'secure: true');
    if (folder !== '/') text = text.replaceAll(`${host}/diffusion`, `${host}${folder}diffusion`);
    code.textContent = text;
  }
}

function say(text, bad = false) {
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle('bad', bad);
}

function shown(entry) {
  if (entry.value === undefined) return `(${entry.bytes} bytes)`;
  return typeof entry.value === 'string' ? entry.value : JSON.stringify(entry.value);
}

function newRow(path) {
  const row = document.createElement('tr');
  const [name, type, value] = [0, 1, 2].map(() => row.appendChild(document.createElement('td')));
  name.textContent = path;
  return { row, type, value };
}

function show(entries) {
  const seen = new Set();
  for (const [index, entry] of entries.entries()) {
    seen.add(entry.path);
    let cell = cells.get(entry.path);
    if (!cell) cells.set(entry.path, (cell = newRow(entry.path)));
    if (rows.children[index] !== cell.row) rows.insertBefore(cell.row, rows.children[index] ?? null);
    cell.type.textContent = entry.type;
    const text = shown(entry);
    const changed = cell.value.textContent !== text;
    cell.value.classList.toggle('changed', changed && cell.value.textContent !== '');
    if (changed) cell.value.textContent = text;
  }
  for (const [path, cell] of cells) {
    if (!seen.has(path)) { cell.row.remove(); cells.delete(path); }
  }
  rows.closest('table').hidden = entries.length === 0;
}

async function ask() {
  clearTimeout(timer);
  const mine = ++round;
  let wait = INTERVAL;
  try {
    const answer = await fetch(`api/values?selector=${encodeURIComponent(asked)}`, { cache: 'no-store' });
    const body = await answer.json();
    if (mine !== round) return;
    if (!answer.ok) {
      show([]);
      say(body.error, true);
      return; // the same question would get the same answer
    }
    show(body.values);
    const count = body.values.length;
    say(count === 0 ? 'No topic matches.' : `${count}${body.more ? ' (the first)' : ''} ${count === 1 ? 'topic' : 'topics'}`);
  } catch {
    if (mine !== round) return;
    say('The server does not answer.', true);
    wait = RETRY;
  }
  schedule(wait);
}

function nameApi() {
  document.getElementById('api').href = `api/values?selector=${encodeURIComponent(asked)}`;
}

function schedule(wait) {
  clearTimeout(timer);
  const paused = pause.getAttribute('aria-pressed') === 'true';
  if (!paused && !document.hidden) timer = setTimeout(ask, wait);
}

document.getElementById('query').addEventListener('submit', event => {
  event.preventDefault();
  asked = selector.value;
  nameApi();
  ask();
});

pause.addEventListener('click', () => {
  const paused = pause.getAttribute('aria-pressed') !== 'true';
  pause.setAttribute('aria-pressed', String(paused));
  round += 1;
  if (paused) { clearTimeout(timer); say('Paused.'); } else ask();
});

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer); else schedule(0);
});

for (const button of document.querySelectorAll('.copy')) {
  button.hidden = !navigator.clipboard; // only secure pages and 127.0.0.1 have one
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
}

fillInAddress();
nameApi();
ask();
