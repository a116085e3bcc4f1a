import type { ChildProcess, ForkOptions, SpawnOptions } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** With pipes where `stdio` says so; that of a fork has none. */
type Child = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable };

export function startChild(program: string, args: readonly string[], options?: SpawnOptions): Child;
export function forkChild(script: string, args: readonly string[], options?: ForkOptions): ChildProcess;
export function hasEnded(child: ChildProcess): boolean;
export function ended(child: ChildProcess): Promise<string>;
export function endChild(child: ChildProcess, graceMs?: number): Promise<void>;
export function outputOf(
  program: string,
  args: readonly (string | number)[],
  cwd?: string,
  onStart?: (pid: number) => void,
): Promise<string>;
export function temporaryFolder(prefix: string): string;
export function removeFolder(folder: string): void;
