// Clients that ask one after the other, each on a connection of its own, for a given time.
import { Client } from 'undici';

/**
 * `api`: how a service is asked and how its answer is read, `{ path, body(text), vector(answer) }`.
 * Answers `{ perSecond, p50, p95, p99 }` (milliseconds); any answer but a 200 with a vector ends the bench.
 */
export async function measureLoad({ url, api, clients, seconds, texts, dimension }) {
  const latencies = [];
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let next = 0;
  const ask = async () => {
    const client = new Client(new URL(url).origin);
    while (performance.now() < endsAt) {
      const text = texts[next++ % texts.length];
      const sentAt = performance.now();
      await embed(client, api, text, dimension);
      latencies.push(performance.now() - sentAt);
    }
    await client.close();
  };
  await Promise.all(Array.from({ length: clients }, ask));
  const took = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))];
  return { perSecond: latencies.length / took, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export async function embed(client, api, text, dimension) {
  const { statusCode, body } = await client.request({
    method: 'POST',
    path: api.path,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(api.body(text)),
  });
  const answer = await body.json();
  const vector = statusCode === 200 ? api.vector(answer) : undefined;
  if (vector?.length === dimension) return vector;
  throw new Error(
    `Expected 200 and ${dimension} numbers, but got ${statusCode}: ${JSON.stringify(answer).slice(0, 200)}`,
  );
}
