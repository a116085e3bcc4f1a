import { totalmem } from 'node:os';
import { oneOf, wholeNumber, type Check } from './check.js';

/** Where the threads live, and when a child process is replaced though nothing is wrong with it. */
export interface IsolationOptions {
  /**
   * `thread`: the models run in threads of this process. `process`: in threads of a child process for each kind of input,
   * so that a crash of native code, a kill for want of memory or a batch that never ends costs only what the child had in
   * hand. @default 'thread'
   */
  readonly isolation: 'thread' | 'process';
  /**
   * Memory (RSS, in bytes) that a process with models may take: from 85 % of it on batches become smaller, above it a child
   * process is replaced; 0: no limit. @default [half of the memory that this process may use]
   */
  readonly maxMemoryBytes: number;
  /** Photos or texts after which a child is replaced; 0 never. @default 0 */
  readonly childMaxJobs: number;
  /** Age at which a child is replaced, in milliseconds; 0 never. @default 0 */
  readonly childMaxAgeMs: number;
}

export const ISOLATION_DEFAULTS: IsolationOptions = {
  isolation: 'thread',
  // While a child is replaced there are two, and the new one is the smaller.
  maxMemoryBytes: Math.floor(usableMemoryBytes() / 2),
  childMaxJobs: 0,
  childMaxAgeMs: 0,
};

export const ISOLATION_CHECKS: { readonly [Name in keyof IsolationOptions]: Check<IsolationOptions[Name]> } = {
  isolation: oneOf(['thread', 'process']),
  maxMemoryBytes: wholeNumber,
  childMaxJobs: wholeNumber,
  childMaxAgeMs: wholeNumber,
};

/** What a container allows, or else the machine has. */
export function usableMemoryBytes(): number {
  const machine = totalmem();
  // 0, or more than there is, where nothing is set.
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, machine) : machine;
}
