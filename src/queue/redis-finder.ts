import type { Redis, RedisOptions } from 'ioredis';

import type { Clock } from '../clock.js';
import { breakOff, connectOnce, makeClient } from './redis-client.js';
import type { RedisHost } from './redis-connection.js';
import type { RedisServers } from './redis-servers.js';

/** A host that doesn't answer for so long is passed over; the next one may know. */
const ANSWER_TIMEOUT_MS = 2000;

/** Finds out where to connect to, anew for each connection. Rejects where nobody can tell. */
export type ServerFinder = (signal: AbortSignal) => Promise<RedisOptions>;

/**
 * For a key, how to find the server that takes writes of it. A plain server is where it is; a Sentinel knows its primary;
 * each node of a cluster knows the primary of the key's slot. Whoever connects then speaks to one plain server.
 */
export function serverFinders(servers: RedisServers, clock: Clock): (key: string) => ServerFinder {
  const { kind, connection } = servers;
  if (kind === 'single') return () => () => Promise.resolve(connection);

  const at = ({ host, port }: RedisHost): RedisOptions => ({ ...connection, ...mapped(connection, { host, port }) });
  if (kind === 'sentinel') {
    const sentinels = new Guides(servers.hosts, sentinelOptions(connection), clock);
    return () => async (signal) => at(await sentinels.ask((client) => askSentinel(client, servers.name), signal));
  }
  const nodes = new Guides(servers.hosts, connection, clock);
  return (key) => async (signal) => {
    const { primary, all } = await nodes.ask((client, node) => askNode(client, node, key), signal);
    nodes.learn(all.map((node) => mapped(connection, node)));
    return at(primary);
  };
}

/** Hosts that are asked for the way: one after the other, each time beginning with another one. */
class Guides {
  #hosts: readonly RedisHost[];
  readonly #given: readonly RedisHost[];
  readonly #connection: RedisOptions;
  readonly #clock: Clock;
  #turn = 0;

  constructor(hosts: readonly RedisHost[], connection: RedisOptions, clock: Clock) {
    this.#hosts = hosts;
    this.#given = hosts;
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Further hosts to ask: the ones given at first may be gone one day. */
  learn(hosts: readonly RedisHost[]): void {
    const isNew = ({ host, port }: RedisHost): boolean =>
      !this.#given.some((given) => given.host === host && given.port === port);
    this.#hosts = [...this.#given, ...hosts.filter(isNew)];
  }

  /** The first answer; rejects with the last failure where there is none. */
  async ask<T>(question: (client: Redis, host: RedisHost) => Promise<T>, signal: AbortSignal): Promise<T> {
    // The one that knew the way last time may have been wrong, which is why somebody asks again.
    const turn = this.#turn % this.#hosts.length;
    this.#turn += 1;
    let failure: unknown;
    for (const host of [...this.#hosts.slice(turn), ...this.#hosts.slice(0, turn)]) {
      signal.throwIfAborted();
      // The ready check would wait while the host reads its data; it knows its peers all the same.
      const client = await makeClient({ ...this.#connection, ...host, enableReadyCheck: false }, ANSWER_TIMEOUT_MS);
      try {
        await connectOnce(client, ANSWER_TIMEOUT_MS, signal, this.#clock);
        return await question(client, host);
      } catch (thrown) {
        failure = thrown;
      } finally {
        breakOff(client);
      }
    }
    throw failure;
  }
}

async function askSentinel(client: Redis, name: string): Promise<RedisHost> {
  const reply = await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name);
  if (!Array.isArray(reply)) throw new Error(`the Sentinel knows no primary named ${JSON.stringify(name)}`);
  return { host: String(reply[0]), port: Number(reply[1]) };
}

async function askNode(
  client: Redis,
  asked: RedisHost,
  key: string,
): Promise<{ readonly primary: RedisHost; readonly all: readonly RedisHost[] }> {
  const [slot, table] = await Promise.all([client.call('CLUSTER', 'KEYSLOT', key), client.call('CLUSTER', 'SLOTS')]);
  // Each row: first slot, last slot, the primary, its replicas.
  const ranges = (table as unknown[][]).map(([from, to, ...nodes]) => ({
    holds: Number(from) <= Number(slot) && Number(slot) <= Number(to),
    nodes: nodes.map((node) => nodeAddress(node as unknown[], asked)),
  }));
  const primary = ranges.find(({ holds }) => holds)?.nodes[0];
  if (!primary) throw new Error(`no node of the cluster serves slot ${String(slot)}, the queue's`);
  const all = new Map(ranges.flatMap(({ nodes }) => nodes).map((node) => [`${node.host}:${node.port}`, node]));
  return { primary, all: [...all.values()] };
}

/** A node that doesn't know its own name leaves it out: it is where it was asked. */
function nodeAddress([host, port]: readonly unknown[], asked: RedisHost): RedisHost {
  const isKnown = typeof host === 'string' && host !== '' && host !== '?';
  return { host: isKnown ? host : asked.host, port: Number(port) };
}

/** Where the servers' own addresses mean nothing here: ioredis' `natMap`. */
function mapped({ natMap }: RedisOptions, address: RedisHost): RedisHost {
  const key = `${address.host}:${address.port}`;
  return (typeof natMap === 'function' ? natMap(key) : natMap?.[key]) ?? address;
}

/** How Sentinels are spoken to: they have users and passwords of their own. */
function sentinelOptions({ tls, sentinelTLS, sentinelUsername, sentinelPassword, family }: RedisOptions): RedisOptions {
  const secure = sentinelTLS ?? tls;
  return {
    ...(family !== undefined && { family }),
    ...(secure && { tls: secure }),
    ...(sentinelUsername && { username: sentinelUsername }),
    ...(sentinelPassword && { password: sentinelPassword }),
  };
}
