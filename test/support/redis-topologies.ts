import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Redis } from 'ioredis';

import { documentedAcl } from './documented-acl.js';
import { foreignName, startCluster } from './redis-cluster.js';
import { freePort, type RedisServer, type RedisServerOptions, startRedis } from './redis-server.js';
import { until } from './until.js';

const PASSWORD = 'p@ss/word-that-nobody-may-see';
const USER = `runner:${encodeURIComponent(PASSWORD)}@`;

export const tlsFile = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));

/** One of the ways in which Redis is run, with servers of its own. */
export interface Topology {
  /** What the runner is told about it. */
  readonly env: Readonly<Record<string, string>>;
  readonly deadLetters: string;
  /** What no output may hold. */
  readonly secret: string;
  /** With all rights, at the server that holds the queue, wherever that is. */
  readonly client: Redis;
  /** Something that happens to such servers, while jobs are in hand. */
  disturb(): Promise<void>;
  stop(): Promise<void>;
}

/** By name, each for a queue. */
export const TOPOLOGIES: Readonly<Record<string, (queue: string) => Promise<Topology>>> = {
  'one plain server, restarted with its log': async (queue) => {
    const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    return single(server, { REDIS_URL: server.url }, queue, async () => {
      await server.kill();
      await server.start();
    });
  },

  'a server that speaks TLS, restarted': async (queue) => {
    const { server, url } = await startTlsRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    await server.client().call('ACL', 'SETUSER', 'runner', 'on', `>${PASSWORD}`, '~*', '+@all');
    const env = { REDIS_URL: url.replace('rediss://', `rediss://${USER}`), NODE_EXTRA_CA_CERTS: tlsFile('ca.pem') };
    return single(server, env, queue, async () => {
      await server.kill();
      await server.start();
      await server.client().call('ACL', 'SETUSER', 'runner', 'on', `>${PASSWORD}`, '~*', '+@all');
    });
  },

  'a server with the documented user, its connections killed': async (queue) => {
    const server = await startRedis();
    const client = server.client();
    await client.call('ACL', ...documentedAcl(names(queue, `${queue}_dlq`)));
    return single(server, { REDIS_URL: server.url.replace('redis://', `redis://${USER}`) }, queue, async () => {
      await client.call('CLIENT', 'KILL', 'USER', 'runner');
    });
  },

  'a cluster of three nodes, the slot moved': async (queue) => {
    const cluster = await startCluster();
    const deadLetters = await foreignName(cluster, queue);
    for (const { client } of cluster.nodes)
      await client.call('ACL', ...documentedAcl(names(queue, deadLetters), { cluster: true }));
    return {
      env: { REDIS_URL: cluster.url.replace('redis://', `redis://${USER}`), REDIS_CLUSTER: '1' },
      deadLetters,
      secret: PASSWORD,
      client: cluster.client,
      disturb: () => cluster.moveSlot(queue),
      stop: () => cluster.stop(),
    };
  },

  'a cluster with replicas, the primary killed': async (queue) => {
    const cluster = await startCluster({ replicas: true });
    const deadLetters = await foreignName(cluster, queue);
    return {
      // One node is enough to find the others.
      env: { REDIS_URL: (await cluster.primaryOf(queue)).server.url, REDIS_CLUSTER: '1' },
      deadLetters,
      secret: PASSWORD,
      client: cluster.client,
      disturb: async () => {
        const { server, client } = await cluster.primaryOf(queue);
        // What was pushed must have been copied; of what the runner does, the last may be lost.
        await client.wait(1, 5000);
        await server.kill();
      },
      stop: () => cluster.stop(),
    };
  },

  'Sentinels, the primary killed': async (queue) => {
    const sentinels = await startSentinels();
    return {
      env: { REDIS_URL: sentinels.url, REDIS_SENTINEL_NAME: 'main' },
      deadLetters: `${queue}_dlq`,
      secret: PASSWORD,
      client: sentinels.client,
      disturb: async () => {
        await sentinels.client.wait(1, 5000);
        await sentinels.primary.kill();
      },
      stop: () => sentinels.stop(),
    };
  },
};

/** A server with a second port for TLS, whose certificate is of the authority `ca.pem`. */
export async function startTlsRedis(
  { config = {} }: RedisServerOptions = {},
  certificate = 'localhost.pem',
): Promise<{ readonly server: RedisServer; readonly url: string }> {
  const port = await freePort();
  const tls = {
    'tls-port': String(port),
    'tls-cert-file': tlsFile(certificate),
    'tls-key-file': tlsFile('server.key'),
    'tls-ca-cert-file': tlsFile('ca.pem'),
    'tls-auth-clients': 'no',
  };
  const server = await startRedis({ config: { ...config, ...tls } });
  return { server, url: `rediss://localhost:${port}/0` };
}

export const AUTHORITY = readFileSync(tlsFile('ca.pem'), 'utf8');

export interface Sentinels {
  readonly url: string;
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly sentinels: readonly RedisServer[];
  readonly client: Redis;
  stop(): Promise<void>;
}

/** A primary called `main`, a replica that has caught up, and three Sentinels that know each other. */
export async function startSentinels(): Promise<Sentinels> {
  const primary = await startRedis();
  const replica = await startRedis({ config: { replicaof: `127.0.0.1 ${primary.port}` } });
  const lines = [
    `sentinel monitor main 127.0.0.1 ${primary.port} 2`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 5000',
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedis({ sentinel: lines })));
  for (const sentinel of sentinels) {
    const client = sentinel.client();
    await until('the Sentinels know each other and the replica', async () => {
      const facts = (await client.call('SENTINEL', 'MASTER', 'main')) as string[];
      const fact = (name: string): string | undefined => facts[facts.indexOf(name) + 1];
      return fact('num-other-sentinels') === '2' && fact('num-slaves') === '1';
    });
  }
  const replicaClient = replica.client();
  await until('the replica has caught up', async () =>
    (await replicaClient.info('replication')).includes('master_link_status:up'),
  );
  const client = new Redis({
    sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    name: 'main',
    maxRetriesPerRequest: null,
    retryStrategy: () => 100,
  });
  client.on('error', () => undefined);
  // Before a test silences a Sentinel: this client would ask it for ever.
  await client.ping();
  return {
    url: `redis://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    ...{ primary, replica, sentinels, client },
    stop: async () => {
      client.disconnect();
      await Promise.all([...sentinels, replica, primary].map((server) => server.stop()));
    },
  };
}

function single(server: RedisServer, env: Topology['env'], queue: string, disturb: () => Promise<void>): Topology {
  return {
    ...{ env, disturb },
    deadLetters: `${queue}_dlq`,
    secret: PASSWORD,
    client: server.client(),
    stop: () => server.stop(),
  };
}

function names(queue: string, deadLetters: string): Parameters<typeof documentedAcl>[0] {
  return { user: 'runner', password: PASSWORD, queue, deadLetters };
}
