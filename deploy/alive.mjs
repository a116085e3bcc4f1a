// A probe for containers: node alive.mjs photos|texts. It asks Redis whether a runner of this host still beats.
// Exit code 1: Redis answers, and no runner of this host beats for the queue. 0: all else, also while Redis is away; a
// restart would not bring it back.
import { hostname } from 'node:os';
import { Redis } from 'ioredis';

const QUEUES = { photos: ['REDIS_QUEUE_NAME', 'photo_tasks'], texts: ['TEXT_EMBED_QUEUE_NAME', 'text_tasks'] };

const queue = QUEUES[process.argv[2]];
if (queue === undefined) {
  console.error('usage: node alive.mjs photos|texts');
  process.exit(2);
}
const [variable, usual] = queue;
const name = process.env[variable] || usual;
const redis = new Redis(process.env.REDIS_URL || 'redis://127.0.0.1:6379/0', {
  connectionName: 'clip-runner alive',
  connectTimeout: 3000,
  commandTimeout: 3000,
  maxRetriesPerRequest: 0,
  retryStrategy: null,
});
redis.on('error', () => undefined);
try {
  // Keys of a queue share its hash tag: docs/queue-protocol.md.
  const prefix = `runner:{${/\{([^}]+)\}/.exec(name)?.[1] ?? name}}`;
  const consumers = await redis.smembers(`${prefix}:consumers`);
  const beats = await Promise.all(consumers.map((consumer) => redis.get(`${prefix}:hb:${consumer}`)));
  if (!beats.some((beat) => beat !== null && JSON.parse(beat).host === hostname())) {
    console.error(`no runner of ${hostname()} beats for ${name}`);
    process.exitCode = 1;
  }
} catch (error) {
  console.error(`Redis can't be asked: ${error.message}`);
} finally {
  redis.disconnect();
}
