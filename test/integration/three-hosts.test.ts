import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { expect, it, onTestFailed } from 'vitest';
import { CommandProcess } from '../support/command.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { startGalleryServer, type GalleryServer } from '../support/gallery-server.js';
import { makeHosts, whyNoHosts, type NetworkHost } from '../support/network-hosts.js';
import { queueLeft } from '../support/queue-left.js';
import { startRedis } from '../support/redis-server.js';
import type { Script } from '../support/scripted-server.js';
import { until } from '../support/until.js';

const JOBS = 1200;
const LATE_JOBS = 300;
/** Four batches of eight: what a runner holds at most. */
const IN_FLIGHT = 32;
/** What the documents promise: 30 s of silence, and up to 25 s until somebody looks. */
const RECOVERY_MS = 55_000;
/** The longest pause between attempts to connect, and between probes, with some time for the attempt itself. */
const REDIS_BACK_MS = 10_000 + 5000;
const SERVER_BACK_MS = 30_000 + 5000;

const reason = whyNoHosts();
if (reason !== undefined) console.warn(`three hosts: skipped, since ${reason}`);

const GOOD = ['camera.jpg', 'gray.jpg', 'small_150x100.png', 'tiny_7x5.png', 'exif_3.jpg', 'la.png'];
const REASONS: Readonly<Record<string, string>> = {
  'bad/bad_crc_idat.png': 'decode',
  'bad/bad_crc_ihdr.png': 'decode',
  'bad/bomb_60000x60000.png': 'too_large',
  'bad/external_entity.svg': 'unsupported',
  'bad/garbage.heic': 'unsupported',
  'bad/header_only.jpg': 'decode',
  'bad/html.png': 'unsupported',
  'bad/random.jpg': 'unsupported',
  'bad/text.jpg': 'unsupported',
  'bad/truncated.jpg': 'decode',
  'bad/truncated.png': 'decode',
  'bad/zero_bytes.jpg': 'empty',
};
const BAD = Object.keys(REASONS);
const isBad = (id: number): boolean => id % 50 === 0;
const job = (id: number): string =>
  photoJob(id, (isBad(id) ? BAD[(id / 50) % BAD.length] : GOOD[id % GOOD.length]) ?? '');
const ids = (from: number, count: number): readonly number[] => Array.from({ length: count }, (_, i) => from + i);

/** Callbacks take so long while `isOn`, so that every host has its hands full. */
function slowDown(gallery: GalleryServer): { isOn: boolean } {
  const pace = { isOn: true };
  const answer = gallery.script as Extract<Script, (...args: never[]) => unknown>;
  gallery.script = (request, index) => {
    const reply = answer(request, index);
    return 'status' in reply && pace.isOn ? { ...reply, after: sleep(100) } : reply;
  };
  return pace;
}

interface Host extends NetworkHost {
  readonly runner: CommandProcess;
  /** Its consumer's id in Redis. */
  readonly consumer: () => Promise<string>;
}

it.skipIf(reason !== undefined)(
  'three hosts, one cut off and back again, one without power: every photo called back, no list keeps anything',
  async () => {
    const network = makeHosts(3);
    const redis = await startRedis({ host: network.address, config: { 'protected-mode': 'no' } });
    const gallery = await startGalleryServer({ host: network.address });
    try {
      await check(network.hosts, redis.client(), { REDIS_URL: redis.url, API_BASE_URL: gallery.url }, gallery);
    } finally {
      network.remove();
      await gallery.close();
      await redis.stop();
    }
  },
);

async function check(
  machines: readonly NetworkHost[],
  client: Redis,
  servers: Readonly<Record<string, string>>,
  gallery: GalleryServer,
): Promise<void> {
  const queue = `hosts_${randomUUID()}`;
  const env = {
    ...servers,
    REDIS_QUEUE_NAME: queue,
    PROCESSING_INTERNAL_TOKEN: gallery.token,
    PROCESSING_EMBEDDING_DIM: '64',
    CLIP_MODELS: `tiny=${CLIP}`,
    PROJECT_ROOT: IMAGES,
  };
  const pace = slowDown(gallery);
  const heldBy = (consumer: string): Promise<number> => client.llen(`runner:{${queue}}:p:${consumer}`);
  const consumers = async (): Promise<readonly { id: string; pid: number }[]> => {
    const keys = await client.keys(`runner:{${queue}}:hb:*`);
    return Promise.all(
      keys.map(async (key) => {
        const { pid } = JSON.parse((await client.get(key)) ?? '{}') as { pid: number };
        return { id: key.slice(`runner:{${queue}}:hb:`.length), pid };
      }),
    );
  };
  const hosts = machines.map((machine): Host => {
    const runner = new CommandProcess(['photos'], env, undefined, machine.launcher);
    return {
      ...machine,
      runner,
      consumer: async () => (await consumers()).find(({ pid }) => pid === runner.child.pid)?.id ?? '',
    };
  });
  const [steady, lonely, doomed] = hosts as [Host, Host, Host];
  const lines = (host: Host, message: string): CommandProcess['log'] =>
    host.runner.log.filter(({ msg }) => msg.startsWith(message));
  const from = (host: Host): GalleryServer['callbacks'] =>
    gallery.callbacks.filter((callback) => callback.from === host.address);

  onTestFailed(() => hosts.forEach(({ runner, address }) => console.log(address, runner.stderr)));
  await Promise.all(hosts.map(({ runner }) => runner.logged('ready')));
  await until('all three are registered', async () => (await consumers()).length === 3);
  const [cut, dead] = [await lonely.consumer(), await doomed.consumer()];
  await client.lpush(queue, ...ids(1, JOBS).map(job));

  // One loses its network in the middle of its work, another one its power.
  const hasHandsFull = async (): Promise<boolean> => Math.min(await heldBy(cut), await heldBy(dead)) > IN_FLIGHT / 2;
  await until('both have their hands full', hasHandsFull);
  await until('all three deliver', () => hosts.every((host) => from(host).length > 8));
  lonely.cutOff();
  await until('the other one has its hands full', async () => (await heldBy(dead)) > IN_FLIGHT / 2);
  doomed.crash();
  expect(await doomed.runner.ended()).toBe('SIGKILL');
  expect(await heldBy(cut)).toBeGreaterThan(0);
  expect(await heldBy(dead)).toBeGreaterThan(0);
  pace.isOn = false;

  // The steady one does the work of all three.
  const recovered = (consumer: string): boolean =>
    lines(steady, 'recovered').some((line) => line['consumer'] === consumer);
  await until('both are recovered', () => recovered(cut) && recovered(dead), RECOVERY_MS);
  const isEmpty = async (): Promise<boolean> => Object.keys(await queueLeft(client, queue)).length === 0;
  await until('nothing is left', isEmpty);
  const good = ids(1, JOBS).filter((id) => !isBad(id));
  const called = (): ReadonlySet<number> => new Set(gallery.callbacks.map(({ id }) => Number(id)));
  expect(good.filter((id) => !called().has(id))).toEqual([]);

  // All that time the one without a network waited, and said so.
  expect(lonely.runner.child.exitCode, lonely.runner.stderr).toBeNull();
  expect(lines(lonely, 'Redis is down')).not.toEqual([]);
  expect(lines(lonely, 'Redis is up again')).toEqual([]);
  const before = from(lonely).length;
  lonely.reconnect();
  await until('it sees Redis again', () => lines(lonely, 'Redis is up again').length > 0, REDIS_BACK_MS);
  await until('it sees the server again', () => lines(lonely, 'the server is up again').length > 0, SERVER_BACK_MS);

  // It brings to an end what it had in hand, though others had done it; and takes its part of what comes in.
  pace.isOn = true;
  await client.lpush(queue, ...ids(JOBS + 1, LATE_JOBS).map(job));
  await until('nothing is left', isEmpty);
  expect(from(lonely).filter(({ id }) => Number(id) > JOBS)).not.toEqual([]);

  const all = ids(1, JOBS + LATE_JOBS);
  expect(all.filter((id) => called().has(id) === isBad(id))).toEqual([]);
  const letters = (await client.lrange(`${queue}_dlq`, 0, -1)).map(
    (entry) => JSON.parse(entry) as { photo_id: number; path: string; _runner: { reason: string } },
  );
  expect(letters.map((letter) => letter.photo_id).sort((a, b) => a - b)).toEqual(all.filter(isBad));
  expect(letters.map((letter) => letter._runner.reason)).toEqual(letters.map((letter) => REASONS[letter.path]));
  // At least once: what two runners had in hand came again, and no more than that.
  expect(gallery.callbacks.length - called().size).toBeLessThanOrEqual(2 * IN_FLIGHT);
  expect(from(lonely).length).toBeGreaterThan(before);
  for (const { runner } of [steady, lonely]) expect(await runner.kill('SIGTERM'), runner.stderr).toBe(0);
  expect(await client.keys(`runner:{${queue}}:hb:*`)).toEqual([]);
  expect(await client.scard(`runner:{${queue}}:consumers`)).toBe(0);
}
