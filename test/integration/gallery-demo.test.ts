import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { plainEnvironment, Program, runNode } from '../support/program.js';
import { keysLeft } from '../support/queue-left.js';
import { startRedis } from '../support/redis-server.js';

// What `npm run demo` runs; dependencies and builds are there when tests run.
const DEMO = 'scripts/demo.mjs';

describe('npm run demo', () => {
  it('with --exit tells how long the page took, finds photos and people, and leaves nothing behind', async () => {
    expect(existsSync('examples/gallery/dist/demo.js')).toBe(true);
    const redis = await startRedis();
    const temporary = await mkdtemp(path.join(tmpdir(), 'clip-runner-demo-'));
    try {
      const env = plainEnvironment({ REDIS_URL: redis.url, TMPDIR: temporary });
      const { ended, stdout, stderr } = await runNode([DEMO, '--exit'], { env });
      expect(stderr).toBe('');
      expect(ended).toBe(0);
      expect(stdout).toMatch(/^The page is ready, \d+\.\d s after the start:$/m);
      expect(stdout).toMatch(
        /^1\. 80 photos were uploaded, queued \(Redis\), and processed in \d+ ms: 80 decodings, /m,
      );
      expect(stdout).toMatch(/^ +"a cat on the beach" → a-cat-on-the-beach/m);
      expect(stdout).toMatch(/^ +"图书馆里的狐狸" → a-fox-in-the-library/m);
      expect(stdout).toContain('54 faces, 8 people');
      expect(await keysLeft(redis.client())).toEqual([]);
      expect((await readdir(temporary)).filter((name) => name.startsWith('clip-runner-gallery-'))).toEqual([]);
    } finally {
      await Promise.all([redis.stop(), rm(temporary, { recursive: true })]);
    }
  });

  it('serves the page until it is told to stop', async () => {
    const demo = new Program(process.execPath, [DEMO], { env: plainEnvironment() });
    const link = await demo.prints(/http:\/\/127\.0\.0\.1:\d+\/#token=\S+/);
    const [url = '', token = ''] = link.split('/#token=');
    expect((await fetch(url)).status).toBe(200);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${url}/api/photos`, { headers })).status).toBe(200);
    demo.child.kill('SIGTERM');
    expect(await demo.end()).toMatchObject({ ended: 0, stderr: '' });
  });
});
