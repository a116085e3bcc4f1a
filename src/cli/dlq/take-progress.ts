import type { DeadLetterProgress } from '../../queue/dead-letters.js';
import type { Log } from '../log.js';
import type { Terminal } from '../terminal.js';

const DRAW_EVERY_MS = 200;
const LOG_EVERY_MS = 10_000;

/** Shows how far it is: a line on a terminal, else an entry in the log every ten seconds. */
export function takeProgress(
  kind: 'redrive' | 'purge',
  terminal: Terminal,
  log: Log,
): (progress: DeadLetterProgress) => void {
  const startMs = performance.now();
  let lastMs = startMs;
  return ({ taken, seen, total }) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < (terminal.isTerminal ? DRAW_EVERY_MS : LOG_EVERY_MS)) return;
    lastMs = nowMs;
    const perSecond = Math.round((taken / (nowMs - startMs)) * 1000);
    if (!terminal.isTerminal) log.info({ taken, seen, total, perSecond }, kind);
    else terminal.progress(`${kind}: ${taken} · looked at ${seen} of ${total} · ${perSecond}/s`);
  };
}
