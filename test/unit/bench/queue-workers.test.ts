import path from 'node:path';
import { expect, it } from 'vitest';
import { startWorkers } from '../../../bench/support/queue-workers.js';

it('fails where a worker ends before it is ready', async () => {
  const root = path.resolve('test/fixtures');
  await expect(startWorkers({ script: 'no-such-worker.js', args: [], root })).rejects.toThrow(
    'no-such-worker.js ended with 1 before it was ready',
  );
});
