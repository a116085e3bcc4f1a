import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until a condition holds, looking every few milliseconds; says what it waited for when it gives up. Where the time isn't
 * the point the default is for machines that are slow or busy.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 120_000,
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`Waited ${withinMs} ms in vain until ${what}.`);
    await sleep(5);
  }
}
