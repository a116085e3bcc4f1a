import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { PhotosLab, readiness } from '../support/photos-lab.js';
import { plainEnvironment, Program, ROOT } from '../support/program.js';

const SETTINGS = {
  ...{ CLIP_MODELS: `tiny=${CLIP}`, PROCESSING_EMBEDDING_DIM: '64', PROJECT_ROOT: IMAGES },
  ...{ FACE_ENABLED: '0', CAPTION_ENABLED: '0', OCR_ENABLED: '0' },
};
/** SGR sequences: colours, bold and so on. */
const COLOUR = /\u001b\[[\d;]*m/;

const lab = new PhotosLab(SETTINGS);

describe.skipIf(spawnSync('script', ['--version']).status !== 0)('on a terminal', () => {
  it.each([
    ['NO_COLOR=1', { NO_COLOR: '1' }],
    ['nothing said of colours', {}],
  ])('photos draws a progress line in place, and no colours: %s', async (_, colours) => {
    const queue = `photos_${randomUUID()}`;
    const env = plainEnvironment({
      ...{ ...SETTINGS, ...colours, TERM: 'xterm-256color', REDIS_QUEUE_NAME: queue, HOME: lab.home },
      ...{ REDIS_URL: lab.redisUrl, API_BASE_URL: lab.gallery.url, PROCESSING_INTERNAL_TOKEN: lab.gallery.token },
    });
    const command = `exec '${process.execPath}' '${path.join(ROOT, 'dist', 'cli.js')}' photos`;
    const program = new Program('script', ['-qec', command, '/dev/null'], { env, stdin: 'pipe' });
    await lab.client.lpush(queue, photoJob(1, 'gray.jpg'));
    await program.prints(/\r\u001b\[Kdone 1 · \d/);
    program.child.stdin!.write('\u0003');
    const { ended, stdout } = await program.end();
    expect(ended).toBe(0);
    expect(stdout).not.toMatch(COLOUR);
    expect(stdout).toMatch(/ info {2}ready {2}/);
  });
});

describe('without a terminal', () => {
  it('photos draws nothing', async () => {
    const queue = `photos_${randomUUID()}`;
    const command = lab.photos({ REDIS_QUEUE_NAME: queue, FORCE_COLOR: '1' });
    await readiness(command);
    await lab.client.lpush(queue, photoJob(1, 'gray.jpg'));
    await lab.delivered(1);
    expect(await command.kill('SIGTERM')).toBe(0);
    expect(command.stderr).not.toMatch(/[\r\u001b]/);
    for (const line of command.stderr.trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
  });
});
