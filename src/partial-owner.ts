import { createHash, randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { systemCode } from './errors.js';

const PARTIAL = /\.(?<machine>[0-9a-f]{8})-(?<pid>\d{1,10})-[0-9a-f]{8}\.partial$/;

/**
 * The part of a partial file's name that tells its writer: `<machine>-<process>-<random>`. A process that was killed can
 * so be told from one that writes, without waiting.
 */
export function newOwner(): string {
  return `${machineId()}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Whether a partial file's writer is known to be gone: a process of this machine that runs no more. */
export function isWriterGone(name: string): boolean {
  const { machine, pid } = PARTIAL.exec(name)?.groups ?? {};
  if (machine !== machineId() || pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}

/**
 * Numbers of processes mean something only where they were given: containers that share a cache may share the machine's
 * name, but not its processes.
 */
function machineId(): string {
  return createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 8);
}

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return ''; // Only Linux has any.
  }
}
