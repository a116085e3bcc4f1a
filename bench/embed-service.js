// npm run bench -- embed-service: `clip-runner serve` against the same service in Python (FastAPI, transformers, torch) and
// against infinity-emb, with the same weights of the size of CLIP ViT-B/32, over real HTTP; all run all the time and are
// asked in turn, one text a request. Beside them the floor, bare runs of the same text graph. BENCH_ROUNDS (5), BENCH_SECONDS (5).
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';
import { pythonWith } from '../scripts/python-venv.mjs';
import { endChild, hasEnded, startChild } from './support/children.js';
import { makeClip } from './support/clip-model.js';
import { embed, measureLoad } from './support/http-load.js';
import { startLineService } from './support/line-service.js';
import { memoryOf, peakMemoryMiB } from './support/process-tree.js';
import { compare, describeMachine, printGoals, printTable, saveJson } from './support/report.js';

const root = path.resolve(import.meta.dirname, '..');
const peers = path.join('bench', 'peers');
const peerFolder = path.join(peers, 'embed-service');
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.BENCH_SECONDS ?? 5);
const CLIENTS = [1, 8, 64];
const DIMENSION = 512;
const OURS = 'clip-runner serve';
const THEIRS = 'FastAPI + torch';
const FLOOR = 'floor (session.run)';
/** What `clip-runner serve` and the service in Python have in common. */
const EMBED_TEXT = { path: '/embed_text', body: (text) => ({ text }), vector: (answer) => answer.embedding };

const python = await pythonWith(path.join(peerFolder, 'requirements.txt'));
const { graphs, weights } = await makeClip('vit-b-32', root, path.join(root, 'bench', '.cache'));
const texts = makeTexts(500);
const infinityPython = await pythonWith(path.join(peers, 'infinity', 'requirements.txt')).catch((thrown) => {
  console.log(`Without infinity-emb: ${thrown.message}`);
});
const services = {};
let floor;
try {
  services[THEIRS] = await startPeer();
  if (infinityPython !== undefined) services['infinity-emb'] = await startInfinity(infinityPython);
  services[OURS] = await startOurs();
  floor = await startLineService(process.execPath, [path.join('bench', 'support', 'text-floor.js'), graphs], root);
  const machine = describeMachine(root, ['fastify', 'onnxruntime-node']);
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.versions.join(', ')}`);
  console.log(
    `Text tower of CLIP ViT-B/32, random weights, fp32; ${rounds} rounds of ${seconds} s a side, interleaved`,
  );
  for (const [name, service] of Object.entries(services)) {
    if (name === OURS) continue;
    const cosine = await leastCosine(services[OURS], service);
    console.log(`Least cosine to ${name} over 50 texts: ${cosine.toFixed(8)}`);
  }
  console.log('');
  const results = {};
  for (const clients of CLIENTS) {
    const rows = Object.fromEntries([...Object.keys(services), FLOOR].map((name) => [name, []]));
    for (let round = 0; round <= rounds; round++) {
      for (const [name, { url, api }] of Object.entries(services)) {
        const load = await measureLoad({ url, api, clients, seconds, texts, dimension: DIMENSION });
        if (round > 0) rows[name].push(load); // The first one warms all up.
      }
      const bare = await floor.ask({ texts, clients, seconds });
      if (round > 0) rows[FLOOR].push(bare);
    }
    results[clients] = rows;
    console.log(`${clients} clients; batches of ${rows[FLOOR].map(({ batch }) => batch).join(', ')} in the floor`);
    printTable(column(rows, 'perSecond'), 'requests/s');
    for (const percentile of ['p50', 'p95', 'p99']) printTable(column(rows, percentile), `${percentile} ms`);
    console.log('');
  }
  const memory = Object.fromEntries(
    Object.entries(services).map(([name, { pid }]) => [name, { ...memoryOf(pid), peakRss: peakMemoryMiB(pid) }]),
  );
  console.log(
    `Memory: highest, processes added up: ${Object.entries(memory)
      .map(
        ([name, { peakRss, rss, pss }]) =>
          `${name} ${peakRss} MiB RSS (now ${rss.toFixed(0)}), PSS ${pss.toFixed(0)} MiB`,
      )
      .join(', ')}`,
  );
  const most = CLIENTS.at(-1);
  const rates = column(results[most], 'perSecond');
  const goals = printGoals([
    { what: `${most} clients, requests/s to ${THEIRS}`, ...compare(rates[OURS], rates[THEIRS]), atLeast: 5 },
  ]);
  saveJson(root, 'embed-service', { machine, rounds, seconds, results, memory, goals });
} finally {
  for (const { child } of Object.values(services)) await endChild(child);
  await floor?.stop();
}

function column(rows, name) {
  const entries = Object.entries(rows).filter(([, loads]) => loads[0][name] !== undefined);
  return Object.fromEntries(entries.map(([side, loads]) => [side, loads.map((load) => load[name])]));
}

async function startPeer() {
  const port = await freePort();
  return start(python, [path.join(peerFolder, 'server.py'), weights, String(port)], port, EMBED_TEXT);
}

/** As it chooses itself; only without a line of log for each request. */
async function startInfinity(python) {
  const port = await freePort();
  const model = ['--model-id', weights, '--served-model-name', 'clip', '--no-model-warmup'];
  const engine = ['--engine', 'torch', '--device', 'cpu', '--log-level', 'warning'];
  const args = ['-m', 'infinity_emb.cli', 'v2', ...model, ...engine, '--host', '127.0.0.1', '--port', String(port)];
  const api = {
    path: '/embeddings',
    body: (text) => ({ model: 'clip', input: [text] }),
    vector: (answer) => answer.data?.[0]?.embedding,
  };
  return start(python, args, port, api, { HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', DO_NOT_TRACK: '1' });
}

async function startOurs() {
  const port = await freePort();
  const args = ['serve', '--models', `clip=${graphs}`, '--dim', '0', '--port', String(port), '--log-level', 'warn'];
  return start(process.execPath, [path.join('dist', 'cli.js'), ...args], port, EMBED_TEXT);
}

async function start(program, args, port, api, env = {}) {
  const child = startChild(program, args, { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
  const service = { child, pid: child.pid, url: `http://127.0.0.1:${port}`, api };
  const client = new Client(service.url);
  for (let tries = 0; tries < 600; tries++) {
    if (hasEnded(child)) break;
    try {
      await embed(client, api, 'a cat', DIMENSION);
      await client.close();
      return service;
    } catch {
      await sleep(200);
    }
  }
  const how = child.exitCode ?? child.signalCode;
  await endChild(child);
  throw new Error(`${program} ${args[0]} ${how === null ? 'did not answer' : `ended with ${how}`}.`);
}

async function leastCosine(...sides) {
  const clients = sides.map(({ url }) => new Client(url));
  const cosines = [];
  for (const text of texts.slice(0, 50)) {
    const [left, right] = await Promise.all(
      clients.map((client, side) => embed(client, sides[side].api, text, DIMENSION)),
    );
    const dot = (x, y) => x.reduce((sum, value, index) => sum + value * y[index], 0);
    cosines.push(dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right)));
  }
  for (const client of clients) await client.close();
  return Math.min(...cosines);
}

/**
 * Sentences of 2 to 14 words, the same in every run. The small vocabulary has each of these words as one token, as CLIP's
 * own of 49,408 has nearly every word that people search for.
 */
function makeTexts(count) {
  const words = 'a cat dog red old on the beach in snow at night two under'.split(' ');
  let seed = 20261122;
  const random = (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: 2 + random(13) }, () => words[random(words.length)]).join(' '),
  );
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
