import type { ConsumerStatus, QueueLook } from '../../queue/queue-watch.js';
import { escapeControls } from '../escape-controls.js';
import { sizeText, tableLines } from '../models/table.js';
import { duration } from '../progress.js';

/** More consumers are counted, not listed. */
const MOST_CONSUMERS = 50;

/** Looks at all queues as tables for people. What a heartbeat says never reaches the terminal as it is. */
export function lookLines(looks: readonly QueueLook[]): readonly string[] {
  return looks.flatMap((look, index) => [...(index === 0 ? [] : ['']), ...queueLines(look), ...consumerLines(look)]);
}

/** One look at one queue in one line. */
export function lookLine(look: QueueLook): string {
  const { waiting, inFlight, retry, suspects, dead } = look;
  const counts = Object.entries({ waiting, inFlight, retry, suspects, dead }).map(
    ([name, count]) => `${name}=${count}`,
  );
  const facts = [
    ...counts,
    `consumers=${look.consumers.filter(({ isAlive }) => isAlive).length}`,
    `donePerSecond=${look.donePerSecond}`,
    ...(look.waitingPerSecond === null ? [] : [`waitingPerSecond=${look.waitingPerSecond}`]),
  ];
  return `${new Date(look.atMs).toISOString()} ${escapeControls(look.queue)} ${facts.join(' ')}`;
}

function queueLines(look: QueueLook): readonly string[] {
  const { waiting, inFlight, retry, suspects, dead, waitingPerSecond, nextWaitsMs, donePerSecond } = look;
  const rows: readonly (readonly [name: string, count: number, notes: readonly (string | undefined)[]])[] = [
    ['waiting', waiting, [trend(waitingPerSecond), standing(nextWaitsMs), timeLeft(waiting, donePerSecond)]],
    ['in flight', inFlight, [since('oldest for', look.oldestInHandMs), `${donePerSecond} done/s`]],
    ['retry', retry, [nextRetry(look)]],
    ['suspects', suspects, []],
    ['dead', dead, [look.oldestDeadAt === null ? undefined : `oldest died ${look.oldestDeadAt}`]],
  ];
  const shown = rows.map(([name, count, notes]) => [
    `  ${name}`,
    String(count),
    notes.filter((note) => note !== undefined).join(', '),
  ]);
  return [escapeControls(look.queue), ...aligned(shown)];
}

function consumerLines({ consumers, queue }: QueueLook): readonly string[] {
  if (consumers.length === 0) return [`  no consumers of ${escapeControls(queue)}`];
  const rows = consumers.slice(0, MOST_CONSUMERS).map(consumerCells);
  const left = consumers.length - rows.length;
  const headings = ['consumer', 'version', 'started', 'holds', 'oldest', 'done', 'done/s', 'memory', 'last beat'];
  return [...tableLines(headings, rows).map((line) => `  ${line}`), ...(left > 0 ? [`  and ${left} more`] : [])];
}

function consumerCells(consumer: ConsumerStatus): readonly string[] {
  const { id, host, pid, version, started, holds, oldestMs, done, donePerSecond, rssBytes, lastBeatMsAgo } = consumer;
  const name = host === null ? id : `${host}:${pid ?? '?'}`;
  const beat = lastBeatMsAgo === null ? '-' : `${duration(lastBeatMsAgo / 1000)} ago`;
  return [
    name,
    version ?? '-',
    started === null ? '-' : started.slice(0, 19).replace('T', ' '),
    String(holds),
    oldestMs === null ? '-' : duration(oldestMs / 1000),
    done === null ? '-' : String(done),
    donePerSecond === null ? '-' : String(donePerSecond),
    rssBytes === null ? '-' : sizeText(rssBytes),
    consumer.isAlive ? beat : 'expired',
  ].map((cell) => escapeControls(cell).slice(0, 48));
}

function trend(perSecond: number | null): string | undefined {
  return perSecond === null ? undefined : `${perSecond > 0 ? '+' : ''}${perSecond}/s`;
}

/** Less than two looks apart says nothing. */
function standing(nextWaitsMs: number | null): string | undefined {
  return nextWaitsMs === null || nextWaitsMs < 1000
    ? undefined
    : `the oldest has not moved for ${duration(nextWaitsMs / 1000)}`;
}

function timeLeft(waiting: number, perSecond: number): string | undefined {
  return waiting > 0 && perSecond > 0 ? `${duration(waiting / perSecond)} of work` : undefined;
}

function since(words: string, ms: number | null): string | undefined {
  return ms === null ? undefined : `${words} ${duration(ms / 1000)}`;
}

function nextRetry({ nextRetryAtMs, atMs }: QueueLook): string | undefined {
  if (nextRetryAtMs === null) return undefined;
  const seconds = (nextRetryAtMs - atMs) / 1000;
  return seconds >= 0 ? `next in ${duration(seconds)}` : `overdue for ${duration(-seconds)}`;
}

function aligned(rows: readonly (readonly string[])[]): readonly string[] {
  return tableLines(['', '', ''], rows).slice(1);
}
