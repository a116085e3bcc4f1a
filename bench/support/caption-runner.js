// describeImages() as a process of its own, with the arguments and the answer of bench/peers/captions/generate.py:
// node caption-runner.js <model folder> <photo folder> <batch> <warm-up> <count> <new tokens> <CLIP folder>
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { createRunner } from 'clip-runner';

const [captionModel, folder, batch, warmUp, count, captionMaxTokens, clip] = process.argv.slice(2);
const files = readdirSync(folder).sort();
const runner = createRunner({
  ...{ models: [{ label: 'bench', name: clip }], tasks: ['clip', 'caption'], roots: [folder] },
  ...{ captionModel, captionMaxTokens: Number(captionMaxTokens), maxBatch: Number(batch) },
});
const photos = (start, total) =>
  Array.from({ length: total }, (_, index) => path.join(folder, files[(start + index) % files.length]));

await runner.start();
await runner.describeImages(photos(0, Number(warmUp)));
const runs = { count: 0, ms: 0 };
runner.on('stage:measured', ({ stage, ms }) => {
  if (stage !== 'run') return;
  runs.count += 1;
  runs.ms += ms;
});
const startedAt = performance.now();
const captions = await runner.describeImages(photos(Number(warmUp), Number(count)));
const seconds = (performance.now() - startedAt) / 1000;
await runner.stop();
console.log(
  JSON.stringify({
    whole: Number(count) / seconds,
    model: (Number(count) / runs.ms) * 1000,
    perRun: Number(count) / runs.count,
    memory: Math.round(process.resourceUsage().maxRSS / 1024),
    texts: captions.map(({ text }) => text),
  }),
);
