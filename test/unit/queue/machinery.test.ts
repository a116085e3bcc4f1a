import { getEventListeners } from 'node:events';
import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { RunnerError } from '../../../src/errors.js';
import { QueueHealth } from '../../../src/queue/queue-health.js';
import type { QueueEvent } from '../../../src/queue/queue.js';
import { Serial } from '../../../src/queue/serial.js';
import { Turns } from '../../../src/queue/turns.js';
import { startTicker } from '../../../src/queue/ticker.js';
import { anySignal, orAbort, pause, within } from '../../../src/queue/waiting.js';
import { VERSION } from '../../../src/version.js';
import { VirtualClock } from '../../support/virtual-clock.js';

describe('QueueHealth', () => {
  const down = new RunnerError('QUEUE_UNAVAILABLE', 'away');

  it('reports one outage once, whatever parts notice it', () => {
    const events: QueueEvent['type'][] = [];
    const health = new QueueHealth(({ type }) => events.push(type));
    health.fail('claim', down);
    health.fail('beat', down);
    health.fail('claim', down);
    health.succeed('claim');
    expect(events).toEqual(['down']);
    health.succeed('beat');
    health.succeed('beat');
    expect(events).toEqual(['down', 'up']);
  });

  it('reports trouble of another kind at once', () => {
    const codes: string[] = [];
    const health = new QueueHealth((event) => codes.push(event.type === 'down' ? event.error.code : event.type));
    health.fail('commands', down);
    health.fail('claim', new RunnerError('QUEUE_WRONG_TYPE', 'a string'));
    expect(codes).toEqual(['QUEUE_UNAVAILABLE', 'QUEUE_WRONG_TYPE']);
  });
});

describe('Serial', () => {
  it('runs one piece after the other, also after a failure', async () => {
    const serial = new Serial();
    const log: string[] = [];
    const failing = serial.run(async () => {
      await Promise.resolve();
      log.push('first');
      throw new Error('no');
    });
    const second = serial.run(() => Promise.resolve(log.push('second')));
    await expect(failing).rejects.toThrow('no');
    await second;
    expect(log).toEqual(['first', 'second']);
  });
});

describe('Turns', () => {
  /** Pieces of work that begin when they may and end when they are told to. */
  function makeTurns(): { turns: Turns; log: string[]; ask: (name: string, how: 'together' | 'alone') => () => void } {
    const turns = new Turns();
    const log: string[] = [];
    return {
      turns,
      log,
      ask: (name, how) => {
        let end!: () => void;
        const ended = new Promise<void>((resolve) => (end = resolve));
        void turns[how](async () => {
          log.push(`${name} begins`);
          await ended;
          log.push(`${name} ends`);
        });
        return end;
      },
    };
  }
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('lets work go on together, and keeps what must be alone from all of it, in the order asked', async () => {
    const { log, ask } = makeTurns();
    const [one, two] = [ask('one', 'together'), ask('two', 'together')];
    const alone = ask('alone', 'alone');
    const late = ask('late', 'together');
    await settled();
    expect(log).toEqual(['one begins', 'two begins']);
    two();
    await settled();
    expect(log.slice(2)).toEqual(['two ends']);
    one();
    await settled();
    expect(log.slice(3)).toEqual(['one ends', 'alone begins']);
    alone();
    await settled();
    expect(log.slice(5)).toEqual(['alone ends', 'late begins']);
    late();
  });

  it('goes on after failures', async () => {
    const { turns } = makeTurns();
    const failing = [
      turns.together(() => Promise.reject(new Error('no'))),
      turns.alone(() => Promise.reject(new Error('no'))),
    ];
    expect((await Promise.allSettled(failing)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await turns.alone(() => Promise.resolve('yes'))).toBe('yes');
  });
});

describe('startTicker', () => {
  it('waits between rounds, and ends for good', async () => {
    const clock = new VirtualClock();
    let rounds = 0;
    const run = (): Promise<void> => {
      rounds += 1;
      return Promise.resolve();
    };
    const ticker = startTicker({ everyMs: 100, jitter: 0.5, random: () => 0, clock, run });
    await clock.advance(49);
    expect(rounds).toBe(0);
    await clock.advance(51);
    expect(rounds).toBe(2);
    await ticker.stop();
    expect(clock.pending).toBe(0);
  });

  it('waits for a round that is under way before it has stopped', async () => {
    const clock = new VirtualClock();
    let finish!: () => void;
    const round = new Promise<void>((resolve) => (finish = resolve));
    const ticker = startTicker({ everyMs: 1, jitter: 0, random: () => 0, clock, run: () => round });
    await clock.advance(1);
    let isStopped = false;
    const stopped = ticker.stop().then(() => (isStopped = true));
    await clock.advance(10);
    expect(isStopped).toBe(false);
    finish();
    await stopped;
    expect(clock.pending).toBe(0);
  });
});

describe('waits', () => {
  it('leave neither timer nor listener behind', async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const { signal } = controller;
    const either = anySignal([signal, new AbortController().signal]);
    const paused = pause(100, signal, clock);
    await orAbort(Promise.resolve(1), signal);
    expect(await within(50, Promise.resolve(2), clock)).toBe(2);
    await clock.advance(100);
    await paused;
    either.dispose();
    await clock.advance(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });

  it('end early when the signal aborts', async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const either = anySignal([controller.signal]);
    const paused = pause(1e6, either.signal, clock);
    const waiting = orAbort(new Promise<never>(() => undefined), either.signal);
    controller.abort(new Error('enough'));
    await paused;
    await expect(waiting).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
  });
});

it('VERSION is the version of the package', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  expect(VERSION).toBe(version);
});
