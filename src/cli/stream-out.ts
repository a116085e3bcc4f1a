import { once } from 'node:events';
import { systemCode } from '../errors.js';

/**
 * Writes results to stdout, no faster than they are read. Answers false once nobody reads any more (`… | head`): then there
 * is no use in going on.
 */
export async function streamOut(text: string | Uint8Array): Promise<boolean> {
  const { stdout } = process;
  if (stdout.listenerCount('error') === 0) stdout.on('error', endQuietly);
  if (stdout.destroyed) return false;
  try {
    if (!stdout.write(text)) await once(stdout, 'drain');
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === 'EPIPE') return false;
    throw thrown;
  }
}

/** A pipe whose reader has gone is destroyed by Node.js; other troubles are told. */
function endQuietly(error: Error): void {
  if (systemCode(error) === 'EPIPE') return;
  process.stderr.write(`clip-runner: stdout: ${error.message}\n`);
  process.exitCode = 1;
}
