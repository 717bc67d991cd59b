// Node's fetch (HTTP/1.1) and its http2 module: `client.js CA PORT HTTP STEP…`, where a step is HOST/PATH or
// HOST/PATH=AUTHORITY. Prints the status and Cache-Control of every answer, or `error`. With http2 all steps for a host
// share one session while it is open. In the environment UPLOAD is how many bytes to send, and UNDICI is where undici is, whose
// fetch then speaks HTTP/2.
'use strict';

const dns = require('node:dns');
const fs = require('node:fs');
const http2 = require('node:http2');

const [ca, port, http, ...steps] = process.argv.slice(2);
const { UPLOAD: upload, UNDICI: undici } = process.env;
const body = upload && 'x'.repeat(Number(upload));
const method = body ? 'POST' : 'GET';

dns.lookup = (host, options, callback) =>
  options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4);

// One connection at a time, so that a request never opens another because the last has just been answered.
async function fetchWithOneConnection() {
  const connect = { ca: fs.readFileSync(ca) };
  if (undici) {
    const { fetch, Agent } = require(undici);
    return [fetch, new Agent({ connections: 1, connect, allowH2: true })];
  }
  await fetch('data:,'); // from now on Node has an agent, and its class
  const { constructor: Agent } = globalThis[Symbol.for('undici.globalDispatcher.1')];
  return [fetch, new Agent({ connections: 1, connect })];
}

let fetcher;

async function byFetch(host, path, authority) {
  const headers = authority ? { host: `${authority}:${port}` } : {};
  fetcher ??= fetchWithOneConnection();
  const [fetch, dispatcher] = await fetcher;
  const answer = await fetch(`https://${host}:${port}/${path}`, { method, headers, body, dispatcher });
  await answer.text();
  return [answer.status, answer.headers.get('cache-control')];
}

const sessions = new Map();

function byHttp2(host, path, authority) {
  // A session is closed to new requests after GOAWAY.
  if (sessions.get(host)?.closed ?? true) {
    sessions.set(host, http2.connect(`https://${host}:${port}`, { ca: fs.readFileSync(ca) }));
  }
  return new Promise((resolve, reject) => {
    const headers = { ':method': method, ':path': `/${path}` };
    if (authority) headers[':authority'] = `${authority}:${port}`;
    const stream = sessions.get(host).request(headers);
    let answer;
    stream.on('response', (head) => { answer = [head[':status'], head['cache-control']]; });
    stream.on('error', reject);
    stream.on('end', () => resolve(answer));
    stream.resume();
    stream.end(body);
  });
}

(async () => {
  const request = http === '2' && !undici ? byHttp2 : byFetch;
  for (const step of steps) {
    const [, host, path, authority] = /^([^/]+)\/([^=]*)=?(.*)$/.exec(step);
    try {
      const [status, cacheControl] = await request(host, path, authority);
      console.log(status, cacheControl ?? '-');
    } catch (error) {
      console.error(error);
      console.log('error');
    }
  }
  sessions.forEach((session) => session.close());
})();
