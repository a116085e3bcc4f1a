import { stat } from 'node:fs/promises';

/** By what a file is taken for the same without being read; texts, because JSON has no integers of 64 bits. */
export interface FileStamp {
  readonly sizeBytes: string;
  /** When its content last changed, in nanoseconds. */
  readonly changedNs: string;
}

/** @throws what `stat` throws */
export async function stampOf(path: string): Promise<FileStamp> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  return { sizeBytes: `${size}`, changedNs: `${mtimeNs}` };
}
