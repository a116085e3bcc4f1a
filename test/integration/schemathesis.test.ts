import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonWith } from '../../scripts/python-venv.mjs';
import { EmbedService } from '../support/embed-service.js';
import { plainEnvironment, Program, ROOT } from '../support/program.js';

/** Making the environment of Python is a matter of minutes, once. */
const SETUP_MS = 600_000;
const RUN_MS = 1_800_000;
const SEED = '20260101';

let python: string;
let folder: string;
beforeAll(async () => {
  python = await pythonWith('tools/schemathesis/requirements.txt');
  folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-schemathesis-'));
}, SETUP_MS);
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly ended: number | string;
  readonly stdout: string;
  readonly generated: number;
}

/** Throws cases made from the service's own document at it, with every check that schemathesis has. */
async function schemathesis(service: EmbedService, args: readonly string[]): Promise<Run> {
  const settings = ['--config-file', path.join(ROOT, 'tools/schemathesis/schemathesis.toml')];
  const checks = ['--checks', 'all', '--continue-on-failure', '--seed', SEED];
  const command = ['-m', 'schemathesis.cli', ...settings, 'run', `${service.url}/openapi.json`, ...checks, ...args];
  const env = plainEnvironment({ NO_COLOR: '1', PYTHONUTF8: '1' });
  const { ended, stdout, stderr } = await new Program(python, command, { cwd: folder, env, withinMs: RUN_MS }).end();
  const generated = Number(/(\d+) generated/.exec(stdout)?.[1] ?? 0);
  return { ended, stdout: stdout.slice(-8000) + stderr, generated };
}

describe('schemathesis', () => {
  it(
    'finds no failure in 1,000 cases',
    async () => {
      // Long lists take most of the time in the making.
      const service = await new EmbedService({ EMBED_MAX_TEXTS: '16' }).ready();
      const { ended, stdout, generated } = await schemathesis(service, ['--max-examples', '330']);
      expect(stdout).toContain('No issues found');
      expect(ended).toBe(0);
      expect(generated).toBeGreaterThanOrEqual(1000);
      expect(service.command.log.filter(({ level }) => level === 'error')).toEqual([]);
      expect(await service.stop()).toBe(0);
    },
    RUN_MS,
  );

  it(
    'finds none with a token and an image side either',
    async () => {
      const service = await new EmbedService({ EMBED_TOKEN: 'token-4711', EMBED_IMAGES: '1' }).ready();
      const header = ['--header', 'Authorization: Bearer token-4711'];
      const { ended, stdout } = await schemathesis(service, ['--max-examples', '60', ...header]);
      expect(stdout).toContain('No issues found');
      expect(ended).toBe(0);
      expect(await service.stop()).toBe(0);
    },
    RUN_MS,
  );
});
