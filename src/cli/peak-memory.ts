import { readFile } from 'node:fs/promises';

/** Resident memory of a process at its highest, in bytes; undefined where the system doesn't tell, as only Linux does. */
export async function peakBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}
