import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { RunnerError } from '../errors.js';

/**
 * There must be somebody to ask.
 * @throws RunnerError `OPTIONS_INVALID` with what to do instead
 */
export function checkTerminal(advice: string): void {
  if (process.stdin.isTTY && process.stderr.isTTY) return;
  throw new RunnerError('OPTIONS_INVALID', `There is no terminal to ask on: ${advice}`);
}

/** Asks on the terminal; anything but yes is no. */
export async function isConfirmed(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and Ctrl-D close the interface: the question then fails or stays without an answer, as Node.js' version has it.
    const closed = once(lines, 'close').then(() => 'n');
    const answer = await Promise.race([lines.question(`${question} [y/N] `).catch(() => 'n'), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
