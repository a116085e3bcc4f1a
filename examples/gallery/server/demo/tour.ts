import type { HitView } from '../photo-view.js';
import type { Person } from '../database/people.js';
import { callApi } from './api.js';
import type { FillOutcome } from './fill.js';
import type { Demo } from './start.js';

/** Tells in words what the page shows. Answers the exit code: 1 where photos were left, or nothing was found. */
export async function tellWhatIsThere(
  demo: Demo,
  { photos, tookMs, isWhole }: FillOutcome,
  sentences: readonly string[],
  print: (line: string) => void,
): Promise<number> {
  const { images, batches, models } = demo.runner.stats();
  const failed = photos.filter(({ tasks }) => tasks.some(({ state }) => state === 'failed'));
  print(
    `1. ${photos.length} photos were uploaded, queued (${demo.queueKind}), and processed in ${Math.round(tookMs)} ms: ` +
      `${images.decoded} decodings, ${batches.count} batches on ${models[0]?.device ?? 'cpu'}`,
  );
  for (const { name, tasks } of failed)
    print(`   ${name} failed: ${tasks.find(({ state }) => state === 'failed')?.reason ?? ''}`);
  if (!isWhole) {
    print('   some photos came to no end in time');
    return 1;
  }
  print('2. sentences find photos: a text is embedded in the same space (cosine distances)');
  let found = 0;
  for (const sentence of sentences) {
    const hits = await search(demo, sentence);
    found += hits.length;
    print(`   "${sentence}" → ${hits.map(({ photo, distance }) => `${photo.name} ${distance.toFixed(2)}`).join(', ')}`);
  }
  const people = (await callApi(demo.url, demo.token, '/api/people')) as readonly Person[];
  print(
    `3. faces become people: ${photos.reduce((sum, photo) => sum + photo.faces, 0)} faces, ${people.length} people`,
  );
  for (const [index, { photos: count }] of people.entries()) print(`   person ${index + 1}: ${count} photos`);
  return sentences.length > 0 && found === 0 ? 1 : 0;
}

async function search({ url, token }: Demo, query: string): Promise<readonly HitView[]> {
  interface Answer {
    readonly id: number;
    readonly status: string;
    readonly result?: readonly HitView[];
  }
  let answer = (await callApi(url, token, '/api/search/text', { body: { query, limit: 3 } })) as Answer;
  for (let tries = 0; answer.status === 'pending' && tries < 10; tries++)
    answer = (await callApi(url, token, `/api/search/text/${answer.id}?wait=3000`)) as Answer;
  return answer.result ?? [];
}
