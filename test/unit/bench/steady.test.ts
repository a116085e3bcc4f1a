import { expect, it } from 'vitest';
import { measureLoop } from '../../../bench/support/steady.js';

it('decodes as many batches as it runs between the two ends of what it measures', async () => {
  const said: string[] = [];
  const rate = await measureLoop({
    ...{ batch: 4, warmUp: 5, count: 8 },
    decode: (first) => {
      said.push(`decode ${first}`);
      return Promise.resolve(first);
    },
    run: (first) => {
      said.push(`run ${first}`);
      return Promise.resolve();
    },
  });
  expect(rate).toBeGreaterThan(0);
  const warm = ['decode 0', 'decode 4', 'run 0', 'decode 8', 'run 4'];
  expect(said).toEqual([...warm, 'decode 12', 'run 8', 'decode 16', 'run 12']);
});
