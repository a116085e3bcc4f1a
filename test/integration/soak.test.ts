import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runNode } from '../support/program.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'soak-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('3000 jobs over runners that are killed, cut off and held: none lost, none unexpected, nothing left behind', async () => {
  const report = path.join(folder, 'report.json');
  const args = ['scripts/soak.mjs', 'no-ops', '--jobs', '3000', '--fault-every-ms', '800', '--report', report];
  const { ended, stdout, stderr } = await runNode(args, { withinMs: 110_000 });
  // Its first line says how to do it again.
  expect(ended, `${stdout}\n${stderr}`).toBe(0);
  const { faults, ...found } = JSON.parse(await readFile(report, 'utf8')) as {
    readonly faults: { readonly SIGKILL: number };
    readonly [fact: string]: unknown;
  };
  expect(found).toMatchObject({ ok: true, lost: [], unexpected: [], left: {}, keys: [], badExits: [] });
  expect(found['deadLetters']).toEqual({ invalid: 2, output: 2, http_404: 2 });
  expect(faults.SIGKILL).toBeGreaterThan(0);
});
