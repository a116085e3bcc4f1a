// The floor of texts: `session.run` of a CLIP's text graph on ids that are there already, one run after the other. No tokenizer,
// no HTTP, no queue. As many texts as there are clients are at hand at a time; they are sorted by length, so that little is padded.
// node text-floor.js <model folder>; reads `{"texts": [...], "clients": n, "seconds": s}` from each line of the input and answers
// with a line `{perSecond, batch}`. The first question for a number of clients tries all batches and session settings; each measures the
// best three so far for so long, and answers with the fastest: a single try says little on a busy machine.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Tokenizer } from '@huggingface/tokenizers';
import { Tensor } from 'onnxruntime-node';
import { openSession, SETTINGS } from './bare-session.js';

const BATCHES = [1, 2, 4, 8, 16, 32, 64];
const TRIAL_SECONDS = 0.5;
const FINALISTS = 3;
const [folder] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
const tokenizer = new Tokenizer(read('tokenizer.json'), read('tokenizer_config.json'));
const sessions = [];
for (const settings of SETTINGS)
  sessions.push(await openSession(path.join(folder, 'onnx', 'text_model.onnx'), settings));
/** By number of clients: `{ session, batch, rate }`, the highest rate so far. */
const tried = new Map();
console.log('ready');

for await (const line of createInterface({ input: process.stdin })) {
  const { texts, clients, seconds } = JSON.parse(line);
  const encoded = texts.map((text) => tokenizer.encode(text).ids);
  if (!tried.has(clients)) tried.set(clients, await tryAll(encoded, clients));
  const finalists = tried
    .get(clients)
    .sort((a, b) => b.rate - a.rate)
    .slice(0, FINALISTS);
  const answers = [];
  for (const one of finalists) {
    const perSecond = await measure(one.session, encoded, clients, one.batch, seconds);
    one.rate = Math.max(one.rate, perSecond);
    answers.push({ perSecond, batch: one.batch });
  }
  console.log(JSON.stringify(answers.reduce((best, one) => (one.perSecond > best.perSecond ? one : best))));
}

async function tryAll(encoded, clients) {
  const all = [];
  for (const batch of BATCHES.filter((size) => size <= clients)) {
    for (const session of sessions) {
      await measure(session, encoded, clients, batch, 0);
      all.push({ session, batch, rate: await measure(session, encoded, clients, batch, TRIAL_SECONDS) });
    }
  }
  return all;
}

/** Texts per second; at least as many as there are clients are embedded. */
async function measure(session, encoded, clients, batch, seconds) {
  const startedAt = performance.now();
  let [done, tookMs] = [0, 0];
  do {
    const atHand = Array.from({ length: clients }, (_, i) => encoded[(done + i) % encoded.length]);
    atHand.sort((a, b) => a.length - b.length);
    for (let first = 0; first < clients; first += batch) await session.run(feedOf(atHand.slice(first, first + batch)));
    done += clients;
    tookMs = performance.now() - startedAt;
  } while (tookMs < seconds * 1000);
  return (done / tookMs) * 1000;
}

/** Padded with the end token, as CLIP's own tokenizer does. */
function feedOf(texts) {
  const length = Math.max(...texts.map((ids) => ids.length));
  const ids = texts.flatMap((text) => [...text, ...new Array(length - text.length).fill(text.at(-1))]);
  return { input_ids: new Tensor('int64', BigInt64Array.from(ids, BigInt), [texts.length, length]) };
}
