import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation at the few megabytes that it has by now, as a flag does for the child processes: see there for the
 * why. This process may have been started without any. The flag is read whenever V8 is about to let it grow, so it is for a
 * program of our own, before it has much in hand, and counts until a worker thread is started.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
