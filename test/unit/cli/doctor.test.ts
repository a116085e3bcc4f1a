import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findingLines, type Finding } from '../../../src/cli/doctor/finding.js';
import { rootFindings } from '../../../src/cli/doctor/folders.js';
import { readQuota } from '../../../src/cli/doctor/quota.js';
import { redisFindings } from '../../../src/cli/doctor/redis.js';
import { deviceFindings } from '../../../src/cli/doctor/devices.js';
import { RunnerError } from '../../../src/errors.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'doctor-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const GOOD = {
  where: '127.0.0.1:6379/0',
  version: '7.0.15',
  evictionPolicy: 'noeviction',
  persistence: 'aof',
  missingRights: [],
} as const;
const bad = (findings: readonly Finding[]): readonly string[] =>
  findings.filter(({ status }) => status !== 'ok').map(({ status, summary }) => `${status}: ${summary}`);

describe('redisFindings', () => {
  it('has nothing to say against a server as it should be', () => {
    expect(bad(redisFindings(GOOD))).toEqual([]);
  });

  it.each([
    [{ version: '6.0.16' }, /^problem: Version 6\.0\.16/],
    [{ evictionPolicy: 'allkeys-lru' }, /^problem: maxmemory-policy allkeys-lru: .* may drop the whole queue/],
    [{ evictionPolicy: 'volatile-lru' }, /^note: maxmemory-policy volatile-lru: .* jobs run twice; none is lost/],
    [{ persistence: 'snapshots' as const }, /^note: Snapshots only/],
    [{ persistence: 'none' as const }, /^note: No persistence/],
    [{ missingRights: ['lmove on the queue'] }, /^problem: .*lmove on the queue/],
  ])('tells %o', (change, expected) => {
    const findings = redisFindings({ ...GOOD, ...change });
    expect(bad(findings)).toEqual([expect.stringMatching(expected)]);
  });

  it('makes one problem of a server that is away', () => {
    const failure = new RunnerError('QUEUE_UNAVAILABLE', 'Redis is away.');
    expect(bad(redisFindings({ where: 'x', failure }))).toEqual(['problem: Redis is away.']);
  });

  it('says what to do about everything that is not as it should be', () => {
    const worst = redisFindings({
      where: 'x',
      version: '5.0.0',
      evictionPolicy: 'allkeys-lru',
      missingRights: ['set'],
    });
    for (const { status, remedy } of worst) if (status !== 'ok') expect(remedy).toBeTruthy();
  });
});

describe('rootFindings', () => {
  it('tells a folder that is missing, and what is none', async () => {
    await writeFile(path.join(folder, 'file'), '');
    const roots = [folder, path.join(folder, 'gone'), path.join(folder, 'file')];
    expect((await rootFindings(roots)).map(({ status }) => status)).toEqual(['ok', 'problem', 'problem']);
  });
});

describe('readQuota', () => {
  it('reads both kinds of control groups, and knows when there is no quota', async () => {
    expect(await readQuota(folder)).toBeUndefined();
    await mkdir(path.join(folder, 'cpu'));
    await writeFile(path.join(folder, 'cpu', 'cpu.cfs_quota_us'), '50000\n');
    await writeFile(path.join(folder, 'cpu', 'cpu.cfs_period_us'), '100000\n');
    expect(await readQuota(folder)).toBe(0.5);
    await writeFile(path.join(folder, 'cpu.max'), '150000 100000\n');
    expect(await readQuota(folder)).toBe(1.5);
    await writeFile(path.join(folder, 'cpu.max'), 'max 100000\n');
    expect(await readQuota(folder)).toBeUndefined();
  });
});

describe('deviceFindings', () => {
  it('names each file that CUDA lacks where CUDA is asked for', async () => {
    const question = { asked: 'cuda', isStrict: true, used: ['cpu'], refusals: [] } as const;
    const findings = await deviceFindings(question, { LD_LIBRARY_PATH: folder });
    const lacking = bad(findings).join('\n');
    expect(lacking).toMatch(/problem: CLIP_DEVICE=cuda, but models run on cpu/);
    if (process.platform !== 'linux') return;
    await writeFile(path.join(folder, 'libcudnn.so.9'), '');
    const lackingLess = bad(await deviceFindings(question, { LD_LIBRARY_PATH: folder })).join('\n');
    expect(lacking).toContain('libcudart.so.12');
    expect(lackingLess).not.toContain('libcudnn.so.9');
  });

  it('has nothing to complain about where the processor is asked for', async () => {
    expect(bad(await deviceFindings({ asked: 'cpu', isStrict: false, used: ['cpu'], refusals: [] }, {}))).toEqual([]);
  });

  it.each([
    ['cuda', /^note: CLIP_DEVICE=cuda, but models run on cpu: cuda: the driver is too old$/],
    ['auto', /^note: Models run on cpu: cuda: the driver is too old$/],
  ] as const)('says why models run elsewhere though no file is missing (asked for: %s)', async (asked, expected) => {
    const refusals = ['cuda: the driver is too old'];
    const findings = await deviceFindings({ asked, isStrict: false, used: ['cpu'], refusals }, {});
    expect(bad(findings)).toContainEqual(expect.stringMatching(expected));
    expect(findings.find(({ facts }) => facts?.['used'])?.facts).toMatchObject({ refusals });
  });
});

it('puts what to do below what is wrong', () => {
  const lines = findingLines([{ area: 'redis', status: 'problem', summary: 'It is away.', remedy: 'Start it.' }]);
  expect(lines).toEqual(['PROBLEM  redis    It is away.', '                  -> Start it.']);
});
