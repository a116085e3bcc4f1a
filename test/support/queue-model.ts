/**
 * Random histories of a queue against what it promises. After every command everything that lies in Redis is read at one
 * moment and compared with what it was before: a command may change what it is meant to change, in the one way that it is
 * meant to, and nothing else. At the end time passes, a healthy consumer does all that is left, and the books must balance.
 *
 * Where each invariant of the queue is checked ("here": after every command; "end": at the end of each history):
 *
 * |  # | Invariant                                                                     | Where                                                                                           |
 * | -: | ----------------------------------------------------------------------------- | ----------------------------------------------------------------------------------------------- |
 * |  1 | Conservation: pushed = acknowledged + what is somewhere, as multisets         | here, `checkBooks()`                                                                            |
 * |  2 | A copy is in one place                                                        | here, `checkBooks()`: places count together                                                     |
 * |  3 | No acknowledgement before every callback of the job was taken                 | test/unit/runner/ticket.test.ts, test/soak (no callback missing)                                |
 * |  4 | No multiplication, whatever is repeated                                       | here, `checkBooks()`; commands `lost reply` and `again`                                         |
 * |  5 | Lost 0, unexpected 0; duplicates only of executions                           | end, `checkEnd()`; test/soak                                                                    |
 * |  6 | Liveness: with one live consumer everything ends                              | end, `#quiesce()` has a bound                                                                   |
 * |  7 | An orphan is visible again within heartbeat + look for the dead               | test/integration/queue-redis-recovery.test.ts; here `reap` shows that one look is enough        |
 * |  8 | attempts <= max, kills <= max; poison ends alone                              | here, `checkCounters()` and the notes of the dead; test/integration/queue-redis-recovery.test.ts |
 * |  9 | Bytes of an element never change, also out of a dead letter                   | here: all comparisons are of bytes                                                              |
 * | 10 | First in, first out; what is given back is in its old order                   | here: `claim`, `give back`, `leave`                                                             |
 * | 11 | In flight <= capacity                                                         | here: `claim` answers with `max` at most; test/unit/runner and test/integration/runner.test.ts  |
 * | 12 | A consumer that beats is never reaped; a reaped one pushes nothing back       | here: `reap`, and whatever a reaped consumer does next                                          |
 * | 13 | Scripts carried out twice change nothing more, with twins, too                | here: `again`; test/integration/queue-redis-scripts.test.ts                                     |
 * | 14 | After going back to an older state everything that survived still ends        | here: `roll back`, and the end                                                                  |
 * | 15 | After closing nothing of a consumer is left, whether or not anybody answers   | here: `leave`, end; test/integration/queue-redis-faults.test.ts                                 |
 * | 16 | What can't be understood ends among the dead letters                          | test/unit/runner/photo-job.test.ts; here such bytes are elements like others                    |
 * | 17 | Counters vanish after success; the number of keys is bounded                  | here, `checkCounters()`, `checkKeys()`                                                          |
 * | 18 | However long the sink is down, no attempt is spent, nothing dies              | test/unit/sink/courier.property.test.ts, test/integration/runner-faults.test.ts                 |
 * | 19 | The token appears nowhere                                                     | test/integration/sink-http.test.ts, queue-redis-faults.test.ts and photos-command.test.ts beside it |
 * | 20 | Queued again, a dead letter is the element that it was                        | here: `redrive`; test/unit/queue/dead-letter.test.ts                                            |
 *
 * A failure prints its seed and path; `FC_SEED=… FC_PATH=… npx vitest run <file>` replays it. `FC_RUNS` sets how many histories.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { systemClock } from '../../src/clock.js';
import { sha1Hex } from '../../src/queue/dead-letter.js';
import type { Claim, Queue } from '../../src/queue/queue.js';
import { pause } from '../../src/queue/waiting.js';
import { multisetDifference, type QueueSnapshot, residents } from './queue-snapshot.js';

/** One consumer, and what its caller has in hand. */
export interface ModelConsumer {
  readonly queue: Queue;
  /** As in `QueueSnapshot.held`. */
  readonly id: string;
}

/** What only a queue in Redis can go through. */
export interface ModelHazards {
  /** The process is gone, and its connections with it. */
  crash(consumer: ModelConsumer): Promise<void>;
  /** It slept for longer than its heartbeat lasts. */
  freeze(consumer: ModelConsumer): Promise<void>;
  /** Its connections break and are made anew. */
  reconnect(consumer: ModelConsumer): Promise<void>;
  /** Carries `work` out while no answer arrives, then breaks the connections. Resolves when the work may be repeated. */
  loseReplies<T>(consumer: ModelConsumer, work: () => Promise<T>): Promise<T>;
  /** Heartbeats of consumers that don't live run out; then one look for the dead. */
  reap(living: readonly ModelConsumer[]): Promise<void>;
  /** Carries a script out again that was carried out before; answers what it says. */
  repeatScript(pick: number): Promise<string | undefined>;
  /** A dead letter becomes an element again; answers whether there was one. */
  redrive(pick: number): Promise<boolean>;
  /** Remembers everything; the answer puts it back, as a server does that restarts from an older state. */
  checkpoint(): Promise<() => Promise<void>>;
}

export interface ModelWorld {
  readonly hazards?: ModelHazards;
  /** With `MODEL_OPTIONS`. */
  open(): Promise<ModelConsumer>;
  push(element: Buffer): Promise<void>;
  read(): Promise<QueueSnapshot>;
  /** Every wait for a next attempt is over. */
  passTime(): Promise<void>;
  /** Ends whatever is still there. */
  dispose(): Promise<void>;
}

const never = new AbortController().signal;
const MAX_ATTEMPTS = 3;
export const MODEL_MAX_KILLS = 2;
const LONG_MS = 600_000;
/** Looks at something that is on its way, a few milliseconds each. */
const MAX_LOOKS = 50;
const failure = { error: new RunnerError('RUN_FAILED', 'x') };
const fatal = { error: new RunnerError('IMAGE_DECODE', 'x') };

/** Few different elements, so that identical ones meet. */
const element = fc.constantFrom(
  ...['{"photo_id":1}', '{"photo_id":1} ', '{}', 'no json', ''].map((text) => Buffer.from(text)),
  Buffer.from([0xff, 0x00, 0x7d]),
);
const who = fc.nat({ max: 2 });
const pick = fc.nat({ max: 7 });
/** One in eight commands gets no answer. */
const isLost = fc.nat({ max: 7 }).map((number) => number === 0);

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('push' as const), element }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('claim' as const), who, max: fc.integer({ min: 1, max: 4 }), isLost }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('ack' as const),
      who,
      pick,
      count: fc.integer({ min: 1, max: 3 }),
      isLost,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('retry' as const), who, pick, isLost }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('bury' as const), who, pick, isLost }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('give back', 'leave' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time passes' as const) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('crash', 'freeze', 'reap' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('again', 'redrive' as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('checkpoint', 'roll back' as const) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const HAZARDS = ['crash', 'freeze', 'reap', 'again', 'redrive', 'checkpoint', 'roll back'] as const;
type Hazard = Extract<Step, { readonly kind: (typeof HAZARDS)[number] }>;
const isHazard = (current: Step): current is Hazard => (HAZARDS as readonly string[]).includes(current.kind);

/** Runs the model; `shards` histories at a time, since most of their time is waiting. */
export function describeQueueModel(makeWorld: () => Promise<ModelWorld>, shards: number): void {
  const seed = Number(process.env['FC_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const path = process.env['FC_PATH'];
  const runs = Number(process.env['FC_RUNS'] ?? 2000);
  const property = fc.asyncProperty(fc.array(step, { maxLength: 18 }), async (steps) => {
    const world = await makeWorld();
    try {
      await new History(world).run(steps);
    } finally {
      await world.dispose();
    }
  });

  it(`keeps its invariants in ${runs} random histories (seed ${seed})`, { timeout: 900_000 }, async () => {
    if (path !== undefined) {
      await fc.assert(property, { seed, path, endOnFailure: true });
      return;
    }
    const numRuns = Math.ceil(runs / shards);
    const seeds = Array.from({ length: shards }, (_, shard) => seed + shard);
    const results = await Promise.allSettled(seeds.map((shard) => fc.assert(property, { seed: shard, numRuns })));
    // One shard's message says seed, path and the shortest history that fails.
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
}

interface Member extends ModelConsumer {
  claims: Claim[];
  /** Something may have been taken from it, or come back to it, behind its back. */
  isDisturbed: boolean;
  isAsleep: boolean;
  /** Its connections broke, and no claim has made new ones yet. */
  isCutOff: boolean;
  /** A claim got no answer: for a while it is not struck off. */
  mayHaveStray: boolean;
}

/** What may lie where, for comparisons: the order within the retry set says nothing. */
interface Places {
  readonly waiting: readonly string[];
  readonly suspects: readonly string[];
  readonly retry: readonly string[];
  readonly held: ReadonlyMap<string, readonly string[]>;
  readonly dead: readonly string[];
}

class History {
  readonly #world: ModelWorld;
  readonly #members: (Member | undefined)[] = [undefined, undefined, undefined];
  #pushed: string[] = [];
  #acked: string[] = [];
  /** Consumers that died or were taken for dead, with something in hand or not. */
  #deaths = 0;
  #now: QueueSnapshot | undefined;
  #back: { readonly restore: () => Promise<void>; readonly pushed: string[]; readonly acked: string[] } | undefined;

  constructor(world: ModelWorld) {
    this.#world = world;
  }

  async run(steps: readonly Step[]): Promise<void> {
    this.#now = await this.#world.read();
    for (const current of steps) {
      await this.#take(current);
      this.#checkBooks();
      this.#checkCounters();
      this.#checkKeys();
    }
    await this.#quiesce();
    this.#checkEnd();
  }

  async #take(current: Step): Promise<void> {
    const { hazards } = this.#world;
    if (isHazard(current)) {
      if (hazards) await this.#meet(current, hazards);
      return;
    }
    switch (current.kind) {
      case 'push':
        return this.#push(current.element);
      case 'claim':
        return this.#claim(await this.#member(current.who), current.max, current.isLost);
      case 'ack':
        return this.#ack(this.#at(current.who), current.pick, current.count, current.isLost);
      case 'retry':
      case 'bury':
        return this.#fail(this.#at(current.who), current.pick, current.kind, current.isLost);
      case 'give back':
      case 'leave':
        return this.#giveBack(current.who, current.kind);
      case 'time passes':
        return this.#passTime();
    }
  }

  async #push(raw: Buffer): Promise<void> {
    this.#pushed.push(raw.toString('latin1'));
    await this.#world.push(raw);
    const before = this.#before();
    await this.#expect({ waiting: [...before.waiting, raw.toString('latin1')] });
  }

  async #claim(member: Member, max: number, isLost: boolean): Promise<void> {
    const { hazards } = this.#world;
    const before = this.#before();
    const inbox = multisetDifference(before.held.get(member.id) ?? [], rawsOf(member.claims));
    await this.#wakeUp(member);
    member.isCutOff ||= isLost;
    member.mayHaveStray ||= isLost;
    const work = (): Promise<readonly Claim[]> => member.queue.claim(max, never);
    const claims = await (isLost && hazards ? hazards.loseReplies(member, work) : work());
    member.isCutOff &&= hazards !== undefined && (isLost || claims.length === 0);
    expect(claims.length).toBeLessThanOrEqual(max);
    member.claims.push(...claims);
    // A claim that ran out of time may not have got as far as its sign of life.
    member.isAsleep &&= isLost || claims.length === 0;
    await this.#untilPoisonIsBuried(member);

    const isExact = inbox.length === 0 && !isLost && !member.isDisturbed;
    await this.#checkClaim(member, before, isExact ? claims : undefined);
  }

  /** What its clock tells one that was asleep. A claim may run out of time before a new connection stands. */
  async #wakeUp(member: Member): Promise<void> {
    const { hazards } = this.#world;
    if (!member.isAsleep || !hazards) return;
    await hazards.reconnect(member);
    member.isCutOff = true;
  }

  /** Elements came from the right ends of queue and suspects to the consumer, and nothing else happened. */
  async #checkClaim(member: Member, before: Places, claims: readonly Claim[] | undefined): Promise<void> {
    const after = this.#before();
    const fromQueue = before.waiting.length - after.waiting.length;
    const fromSuspects = before.suspects.length - after.suspects.length;
    const taken = [...before.suspects.slice(0, fromSuspects), ...before.waiting.slice(0, fromQueue)];
    expect(fromSuspects).toBeLessThanOrEqual(1);
    const poison = after.dead.slice(before.dead.length);
    for (const { note } of this.#now?.dead.slice(before.dead.length) ?? []) expect(note['reason']).toBe('poison');
    const held = without([...(before.held.get(member.id) ?? []), ...taken], poison);
    await this.#expect(
      {
        waiting: before.waiting.slice(fromQueue),
        suspects: before.suspects.slice(fromSuspects),
        held: new Map(before.held).set(member.id, held),
        dead: [...before.dead, ...poison],
      },
      { before, after },
    );
    if (!claims) return;
    // Nobody jumps the queue; what has killed goes alone.
    same(rawsOf(claims), without(taken, poison));
    if (fromSuspects === 1) expect(claims.length).toBeLessThanOrEqual(1);
  }

  async #ack(member: Member | undefined, at: number, count: number, isLost: boolean): Promise<void> {
    if (!member) return;
    const claims = Array.from({ length: count }, () => takeOut(member, at)).filter((claim) => claim !== undefined);
    const before = this.#before();
    const isUsual = await this.#perhapsUnanswered(member, isLost, () => member.queue.ack(claims));
    const held = without(before.held.get(member.id) ?? [], rawsOf(claims));
    let after = await this.#read();
    const isGone = (): boolean => multisetDifference(allOf(before), allOf(after)).length === claims.length;
    for (let look = 0; !isUsual && !member.isDisturbed && !isGone() && look < MAX_LOOKS; look += 1) {
      await this.#heal(member);
      after = await this.#read();
    }
    const gone = multisetDifference(allOf(before), allOf(after));
    this.#acked.push(...gone);
    same(multisetDifference(gone, rawsOf(claims)), []);
    if (member.isDisturbed) return;
    expect(gone).toHaveLength(claims.length);
    if (!isUsual) return;
    await this.#expect({ held: new Map(before.held).set(member.id, held) }, { before, after });
  }

  async #fail(member: Member | undefined, at: number, kind: 'retry' | 'bury', isLost: boolean): Promise<void> {
    const claim = member && takeOut(member, at);
    if (!claim) return;
    const before = this.#before();
    const raw = claim.raw.toString('latin1');
    const attempts = Number(this.#now?.tries.get(sha1Hex(claim.raw)) ?? 0) + 1;
    const isSpent = attempts >= MAX_ATTEMPTS;
    const isUsual = await this.#perhapsUnanswered(member, isLost, async () => {
      if (kind === 'bury') return member.queue.bury(claim, fatal);
      const outcome = await member.queue.retry(claim, { ...failure, minDelayMs: LONG_MS });
      if (isLost || member.isCutOff || member.isDisturbed) return;
      expect(outcome).toMatchObject({ kind: isSpent ? 'buried' : 'scheduled', attempts });
    });
    const after = await this.#read();
    same(multisetDifference(allOf(after), allOf(before)), []);
    same(multisetDifference(allOf(before), allOf(after)), []);
    if (!isUsual || member.isDisturbed) return;
    const isDead = kind === 'bury' || isSpent;
    const held = new Map(before.held).set(member.id, without(before.held.get(member.id) ?? [], [raw]));
    if (!isDead) {
      await this.#expect({ held, retry: [...before.retry, raw] }, { before, after });
      return;
    }
    await this.#expect({ held, dead: [...before.dead, raw] }, { before, after });
    expect(this.#now?.dead.at(-1)?.note).toMatchObject({ attempts, reason: kind === 'bury' ? 'decode' : 'exhausted' });
  }

  async #giveBack(slot: number, kind: 'give back' | 'leave'): Promise<void> {
    const member = this.#at(slot);
    if (!member) return;
    const isLeaving = kind === 'leave' && this.#world.hazards !== undefined;
    while (member.isCutOff) await this.#heal(member);
    const before = this.#before();
    const list = before.held.get(member.id) ?? [];
    const suspects = rawsOf(member.claims.filter(({ isSuspect }) => isSuspect));
    if (isLeaving) {
      await member.queue.close();
      this.#members[slot] = undefined;
    } else {
      const count = await member.queue.giveBack();
      if (!member.isDisturbed) expect(count).toBe(list.length);
    }
    member.claims = [];
    const after = await this.#read();
    expect(after.held.get(member.id) ?? []).toEqual([]);
    same(multisetDifference(allOf(after), allOf(before)), []);
    same(multisetDifference(allOf(before), allOf(after)), []);
    if (isLeaving && !member.mayHaveStray) {
      expect(this.#now?.keys.filter((key) => key.includes(member.id))).toEqual([]);
      expect(this.#now?.consumers).not.toContain(member.id);
    }
    const isPlain = multisetDifference(suspects, list).length === 0 && !member.isDisturbed;
    member.isDisturbed = false;
    if (!isPlain) return;
    await this.#expect(
      {
        waiting: [...without(list, suspects), ...before.waiting],
        suspects: [...suspects.reverse(), ...before.suspects],
        held: new Map(before.held).set(member.id, []),
      },
      { before, after },
    );
  }

  async #passTime(): Promise<void> {
    const before = this.#before();
    await this.#world.passTime();
    const after = await this.#read();
    const promoted = after.waiting.slice(0, before.retry.length);
    same([...promoted].sort(), [...before.retry].sort());
    await this.#expect({ waiting: [...promoted, ...before.waiting], retry: [] }, { before, after });
  }

  async #meet(current: Hazard, hazards: ModelHazards): Promise<void> {
    const member = 'who' in current ? this.#members[current.who] : undefined;
    switch (current.kind) {
      case 'crash':
        if (!member) return;
        this.#members[current.who] = undefined;
        await hazards.crash(member);
        return this.#expect({});
      case 'freeze':
        if (!member) return;
        member.isAsleep = true;
        await hazards.freeze(member);
        return this.#expect({});
      case 'reap':
        return this.#reap(hazards);
      case 'again': {
        const said = await hazards.repeatScript(current.pick);
        if (said !== undefined) expect(said).toBe('replay');
        return this.#expect({});
      }
      case 'redrive': {
        const before = this.#before();
        await hazards.redrive(current.pick);
        const after = await this.#read();
        const moved = multisetDifference(before.dead, after.dead);
        return this.#expect(
          { waiting: [...before.waiting, ...moved], dead: without(before.dead, moved) },
          { before, after },
        );
      }
      case 'checkpoint':
        this.#back = { restore: await hazards.checkpoint(), pushed: [...this.#pushed], acked: [...this.#acked] };
        return;
      case 'roll back':
        return this.#rollBack(hazards);
    }
  }

  async #reap(hazards: ModelHazards): Promise<void> {
    const before = this.#before();
    const living = this.#living().filter(({ isAsleep }) => !isAsleep);
    const isDead = (id: string): boolean => living.every((member) => member.id !== id);
    const orphans = [...before.held].filter(([id]) => isDead(id)).flatMap(([, list]) => list);
    this.#deaths += (this.#now?.consumers ?? []).filter(isDead).length;
    for (const member of this.#living()) if (member.isAsleep) member.isDisturbed = true;
    await hazards.reap(living);
    const after = await this.#read();
    const found = after.suspects.slice(before.suspects.length);
    same([...found].sort(), [...orphans].sort());
    const held = new Map([...before.held].filter(([id]) => !isDead(id)));
    await this.#expect({ suspects: [...before.suspects, ...found], held }, { before, after });
  }

  async #rollBack(hazards: ModelHazards): Promise<void> {
    if (!this.#back) return;
    const { restore, pushed, acked } = this.#back;
    await restore();
    // What was pushed since is lost, and that alone.
    this.#pushed = [...pushed];
    this.#acked = [...acked];
    for (const member of this.#living()) {
      member.isDisturbed = true;
      member.isCutOff = true;
      await hazards.reconnect(member);
    }
    await this.#read();
  }

  /** Everybody dies; time passes; one healthy consumer does what is left. */
  async #quiesce(): Promise<void> {
    const { hazards } = this.#world;
    for (const member of this.#living()) {
      if (hazards) await hazards.crash(member);
      else await member.queue.giveBack();
    }
    const last = hazards ? await this.#world.open() : (this.#members.find(Boolean) ?? (await this.#world.open()));
    // All but the last one.
    this.#deaths += this.#now!.consumers.length;
    await hazards?.reap([last]);
    await this.#read();
    this.#checkBooks();
    this.#checkCounters();
    // Each element needs a claim, and those that wait or are suspect at most two looks more.
    let left = 4 * this.#pushed.length + 10;
    while (residents(this.#now!).length > this.#now!.dead.length) {
      if (left-- === 0) throw new Error(`It comes to no end: ${JSON.stringify(placesOf(this.#now!), plainMaps)}`);
      await this.#world.passTime();
      const claims = await last.queue.claim(8, never);
      await last.queue.ack(claims);
      this.#acked.push(...rawsOf(claims));
      await this.#read();
    }
    await last.queue.close();
    await this.#read();
  }

  #checkEnd(): void {
    const { dead, keys, tries } = this.#now!;
    const ends = [...this.#acked, ...dead.map(({ raw }) => raw)];
    same(multisetDifference(this.#pushed, ends), [], 'lost');
    same(multisetDifference(ends, this.#pushed), [], 'unexpected');
    expect([...tries.keys()], 'counters').toEqual([]);
    expect(keys, 'keys').toEqual([]);
  }

  #checkBooks(): void {
    const there = [...this.#acked, ...residents(this.#now!)];
    same(multisetDifference(this.#pushed, there), [], 'lost');
    same(multisetDifference(there, this.#pushed), [], 'multiplied');
  }

  #checkCounters(): void {
    const { tries, dead } = this.#now!;
    for (const [field, value] of tries) {
      if (/^[0-9a-f]{40}$/.test(field)) expect(Number(value)).toBeLessThan(MAX_ATTEMPTS);
      if (field.endsWith(':k')) expect(Number(value), 'kills').toBeLessThanOrEqual(this.#deaths);
    }
    for (const { note } of dead) {
      expect(Number(note['attempts'])).toBeLessThanOrEqual(MAX_ATTEMPTS);
      if (note['reason'] !== 'poison') continue;
      expect(Number(note['kills'])).toBeGreaterThanOrEqual(MODEL_MAX_KILLS);
      expect(Number(note['kills']), 'kills').toBeLessThanOrEqual(this.#deaths);
    }
  }

  #checkKeys(): void {
    const { keys, consumers } = this.#now!;
    const own = new Set([...this.#living().map(({ id }) => id), ...consumers]);
    const strangers = keys.filter((key) => {
      const [, consumer] = /:(?:p|hb):(.*)$/.exec(key) ?? [];
      return consumer !== undefined && !own.has(consumer);
    });
    expect(strangers.filter((key) => key.includes(':p:'))).toEqual([]);
    expect(keys.length).toBeLessThanOrEqual(4 + 2 * own.size + strangers.length);
  }

  /** Answers whether it went as usual: nothing got lost, and no claim had to make it good. */
  async #perhapsUnanswered(member: Member, isLost: boolean, work: () => Promise<unknown>): Promise<boolean> {
    const { hazards } = this.#world;
    const state = { isOver: false };
    let isUsual = !(isLost && hazards);
    const ended = (isLost && hazards ? hazards.loseReplies(member, work) : work()).then(() => (state.isOver = true));
    const patience = new AbortController();
    const impatient = pause(isUsual && !member.isCutOff ? 2000 : 20, patience.signal, systemClock);
    await Promise.race([ended, impatient]);
    patience.abort();
    while (!state.isOver || member.isCutOff) {
      isUsual = false;
      await this.#heal(member);
    }
    await ended;
    // Nobody has asked since for a new connection, where nothing was sent on the old one.
    member.isCutOff = isLost && hazards !== undefined;
    return isUsual;
  }

  /** What a claim loop does: the next claim makes good what got no answer. */
  async #heal(member: Member): Promise<void> {
    member.claims.push(...(await member.queue.claim(1, never)));
    // It answers when there is a connection again.
    member.isCutOff = await member.queue.depth().then(
      () => false,
      () => true,
    );
    await this.#read();
  }

  /** What killed too often is buried beside the claim that found it. */
  async #untilPoisonIsBuried(member: Member): Promise<void> {
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const held = (await this.#read()).held.get(member.id) ?? [];
      const inbox = multisetDifference(held, rawsOf(member.claims));
      const kills = inbox.map((raw) => Number(this.#now?.tries.get(`${sha1Hex(Buffer.from(raw, 'latin1'))}:k`) ?? 0));
      if (kills.every((count) => count < MODEL_MAX_KILLS)) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async #member(slot: number): Promise<Member> {
    const found = this.#at(slot);
    if (found) return found;
    const opened = await this.#world.open();
    const member = { ...opened, claims: [], isDisturbed: false, isAsleep: false, isCutOff: false, mayHaveStray: false };
    this.#members[this.#world.hazards ? slot : 0] = member;
    return member;
  }

  /** A queue that nothing can happen to has one consumer. */
  #at(slot: number): Member | undefined {
    return this.#members[this.#world.hazards ? slot : 0];
  }

  #living(): Member[] {
    return this.#members.filter((member) => member !== undefined);
  }

  #before(): Places {
    return placesOf(this.#now!);
  }

  async #readSnapshot(): Promise<QueueSnapshot> {
    this.#now = await this.#world.read();
    return this.#now;
  }

  async #read(): Promise<Places> {
    return placesOf(await this.#readSnapshot());
  }

  /** Everything is as before but for these places. */
  async #expect(changes: Partial<Places>, seen?: { readonly before: Places; readonly after: Places }): Promise<void> {
    const expected = { ...(seen?.before ?? this.#before()), ...changes };
    same(comparable(seen?.after ?? (await this.#read())), comparable(expected));
  }
}

/** For every kind of queue; `maxKills` is `MODEL_MAX_KILLS`. */
export const MODEL_OPTIONS = {
  maxAttempts: MAX_ATTEMPTS,
  backoffBaseMs: LONG_MS,
  backoffMaxMs: LONG_MS,
  claimTimeoutMs: 10,
};

function placesOf({ waiting, suspects, retry, held, dead }: QueueSnapshot): Places {
  return { waiting, suspects, retry, held, dead: dead.map(({ raw }) => raw) };
}

function allOf({ waiting, suspects, retry, held, dead }: Places): string[] {
  return [...waiting, ...suspects, ...retry, ...[...held.values()].flat(), ...dead];
}

function comparable({ held, retry, ...lists }: Places): unknown {
  const lists_ = [...held].filter(([, list]) => list.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...lists, retry: [...retry].sort(), held: lists_ };
}

/** `toEqual`, but quick where they are equal. */
function same(actual: unknown, expected: unknown, what?: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual, what).toEqual(expected);
}

function rawsOf(claims: readonly Claim[]): string[] {
  return claims.map(({ raw }) => raw.toString('latin1'));
}

function takeOut(member: Member, at: number): Claim | undefined {
  return member.claims.splice(at % Math.max(1, member.claims.length), 1)[0];
}

/** The list without the first of each of these. */
function without(list: readonly string[], taken: readonly string[]): string[] {
  const left = [...list];
  for (const raw of taken) {
    const place = left.indexOf(raw);
    if (place >= 0) left.splice(place, 1);
  }
  return left;
}

function plainMaps(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...(value as Map<unknown, unknown>)] : value;
}
