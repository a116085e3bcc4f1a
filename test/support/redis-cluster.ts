import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { Cluster, type Redis } from 'ioredis';

import { type RedisServer, startRedis } from './redis-server.js';
import { until } from './until.js';

const CONFIG = {
  'cluster-enabled': 'yes',
  'cluster-config-file': 'nodes.conf',
  // How soon a silent node counts as dead.
  'cluster-node-timeout': '1500',
  'cluster-replica-validity-factor': '0',
  'repl-diskless-sync-delay': '0',
  // The slots of the others go on while one node is down.
  'cluster-require-full-coverage': 'no',
};

interface ClusterNode {
  readonly server: RedisServer;
  readonly client: Redis;
}

/** A Redis Cluster of one's own: three primaries, each with a replica where asked for. */
export interface RedisCluster {
  /** All nodes, for `REDIS_URL` with `REDIS_CLUSTER=1`. */
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
  /** Follows keys wherever they are. */
  readonly client: Redis;
  /** The node that takes writes of a key, as the other nodes see it. */
  primaryOf(key: string): Promise<ClusterNode>;
  /** Moves the slot of a key to another primary, with all its keys, as `redis-cli --cluster reshard` does. */
  moveSlot(key: string): Promise<void>;
  /** The first half of a move: what is not there yet is asked for elsewhere. The answer ends it, with the keys moved. */
  beginMove(key: string): Promise<() => Promise<void>>;
  /** Resolves when all nodes serve their slots, and replicas have caught up. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws where there is no redis-server, or no redis-cli to make a cluster of several. */
export async function startCluster({ replicas = false } = {}): Promise<RedisCluster> {
  const servers = await allOrNone(Array.from({ length: replicas ? 6 : 3 }, () => startRedis({ config: CONFIG })));
  const nodes = servers.map((server) => ({ server, client: server.client() }));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  await promisify(execFile)('redis-cli', [
    ...['--cluster', 'create', ...addresses],
    ...['--cluster-replicas', replicas ? '1' : '0', '--cluster-yes'],
  ]);
  await settled(nodes);
  const cluster = new Cluster(
    servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    { redisOptions: { maxRetriesPerRequest: null }, clusterRetryStrategy: () => 100, retryDelayOnFailover: 100 },
  );
  cluster.on('error', () => undefined);

  const primaryOf = async (key: string): Promise<ClusterNode> => {
    for (const { client } of nodes) {
      if (client.status !== 'ready') continue;
      const slot = await client.cluster('KEYSLOT', key);
      const table = (await client.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
      const port = table.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
      const node = nodes.find(({ server }) => server.port === port);
      if (node) return node;
    }
    throw new Error(`nobody serves ${key}`);
  };

  const beginMove = async (key: string): Promise<() => Promise<void>> => {
    const from = await primaryOf(key);
    const slot = await from.client.cluster('KEYSLOT', key);
    const to = await otherPrimary(nodes, from);
    const [fromId, toId] = await Promise.all([from, to].map(({ client }) => client.cluster('MYID')));
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(fromId));
    await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(toId));
    return async () => {
      for (;;) {
        const keys = (await from.client.call('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[];
        if (keys.length === 0) break;
        await from.client.call('MIGRATE', '127.0.0.1', to.server.port, '', '0', '5000', 'KEYS', ...keys);
      }
      for (const { client } of [to, from, ...nodes.filter((node) => node !== to && node !== from)])
        await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(toId)).catch(() => undefined);
    };
  };

  return {
    url: `redis://${addresses.join(',')}`,
    nodes,
    // Both have the same commands.
    client: cluster as unknown as Redis,
    primaryOf,
    beginMove,
    settled: () => settled(nodes),
    moveSlot: async (key) => (await beginMove(key))(),
    stop: async () => {
      cluster.disconnect();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** All servers; where one can't start, the others are stopped. */
async function allOrNone(starting: readonly Promise<RedisServer>[]): Promise<readonly RedisServer[]> {
  try {
    return await Promise.all(starting);
  } catch (thrown) {
    const ends = await Promise.allSettled(starting);
    for (const end of ends) if (end.status === 'fulfilled') await end.value.stop();
    throw thrown;
  }
}

async function settled(nodes: readonly ClusterNode[]): Promise<void> {
  for (const { client } of nodes)
    await until('every node knows the cluster, and replicas have caught up', async () => {
      const isOk = (await client.cluster('INFO')).includes('cluster_state:ok');
      return isOk && !(await client.info('replication')).includes('master_link_status:down');
    });
}

/** A name for dead letters that another node holds than the queue. */
export async function foreignName(cluster: RedisCluster, queue: string): Promise<string> {
  const own = await cluster.primaryOf(queue);
  for (let index = 0; ; index += 1) {
    const name = `${queue}_dlq${index || ''}`;
    if ((await cluster.primaryOf(name)) !== own) return name;
  }
}

async function otherPrimary(nodes: readonly ClusterNode[], than: ClusterNode): Promise<ClusterNode> {
  for (const node of nodes) {
    const [role] = (await node.client.call('ROLE')) as [string];
    if (node !== than && role === 'master') return node;
  }
  throw new Error('there is no other primary');
}
