// Node's fetch (HTTP/1.1) and its http2 module: `client.js CA PORT HTTP STEP…`, where a step is HOST/PATH or
// HOST/PATH=AUTHORITY. Prints the status and Cache-Control of every answer. With http2 all steps for a host
// share one session. In the environment NODE_EXTRA_CA_CERTS names the CA for fetch, which can be told in no
// other way, BODY is what fetch uploads, and UNDICI is where undici is, whose fetch then speaks HTTP/2.
'use strict';

const dns = require('node:dns');
const fs = require('node:fs');
const http2 = require('node:http2');

const [ca, port, http, ...steps] = process.argv.slice(2);
const { BODY: body, UNDICI: undici } = process.env;

dns.lookup = (host, options, callback) =>
  options.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4);

function undiciWithHttp2() {
  const { fetch, Agent } = require(undici);
  return { fetch, dispatcher: new Agent({ allowH2: true }) };
}

const fetcher = undici ? undiciWithHttp2() : { fetch };

async function byFetch(host, path, authority) {
  const headers = authority ? { host: `${authority}:${port}` } : {};
  const method = body ? 'POST' : 'GET';
  const { fetch, dispatcher } = fetcher;
  const answer = await fetch(`https://${host}:${port}/${path}`, { method, headers, body, dispatcher });
  await answer.text();
  return [answer.status, answer.headers.get('cache-control')];
}

const sessions = new Map();

function byHttp2(host, path, authority) {
  if (!sessions.has(host)) {
    sessions.set(host, http2.connect(`https://${host}:${port}`, { ca: fs.readFileSync(ca) }));
  }
  return new Promise((resolve, reject) => {
    const headers = { ':path': `/${path}` };
    if (authority) headers[':authority'] = `${authority}:${port}`;
    const stream = sessions.get(host).request(headers);
    let answer;
    stream.on('response', (head) => { answer = [head[':status'], head['cache-control']]; });
    stream.on('error', reject);
    stream.on('end', () => resolve(answer));
    stream.resume();
  });
}

(async () => {
  const request = http === '2' && !undici ? byHttp2 : byFetch;
  for (const step of steps) {
    const [, host, path, authority] = /^([^/]+)\/([^=]*)=?(.*)$/.exec(step);
    const [status, cacheControl] = await request(host, path, authority);
    console.log(status, cacheControl ?? '-');
    await new Promise(setImmediate); // fetch frees its connection only now
  }
  sessions.forEach((session) => session.close());
})();
