import { readFile } from 'node:fs/promises';

/**
 * The cores that a container's quota comes to; undefined where there is none, or no Linux. Inside a container its own
 * cgroup is mounted at the root.
 */
export async function readQuota(root = '/sys/fs/cgroup'): Promise<number | undefined> {
  const modern = await read(`${root}/cpu.max`);
  if (modern !== undefined) return parseQuota(...splitPair(modern));
  const [quota, period] = await Promise.all(['quota', 'period'].map((name) => read(`${root}/cpu/cpu.cfs_${name}_us`)));
  return parseQuota(quota ?? '', period ?? '');
}

function splitPair(text: string): [quota: string, period: string] {
  const [quota = '', period = ''] = text.trim().split(/\s+/);
  return [quota, period];
}

/** `max` and `-1` stand for no quota. */
function parseQuota(quota: string, period: string): number | undefined {
  const cores = Number(quota) / Number(period);
  return quota.trim() !== '' && cores > 0 && Number.isFinite(cores) ? cores : undefined;
}

async function read(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
