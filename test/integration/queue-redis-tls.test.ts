import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import type { Queue, QueueEvent } from '../../src/queue/queue.js';
import { parseRedisUrl } from '../../src/queue/redis-connection.js';
import { redisQueue } from '../../src/queue/redis.js';
import { never } from '../support/redis-lab.js';
import type { RedisServer } from '../support/redis-server.js';
import { AUTHORITY, startTlsRedis, tlsFile } from '../support/redis-topologies.js';
import { until } from '../support/until.js';

const PASSWORD = 'hunter2';

let server: RedisServer;
let port: number;
const queues: Queue[] = [];

beforeAll(async () => {
  const started = await startTlsRedis();
  server = started.server;
  port = Number(new URL(started.url).port);
  return () => server.stop();
});
afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.close({ deadlineMs: 1000 })));
});

/** What a queue says that can't get through. */
async function complaint(options: Parameters<typeof redisQueue>[0]): Promise<string> {
  const queue = redisQueue(options);
  queues.push(queue);
  const events: QueueEvent[] = [];
  queue.open((event) => events.push(event)).catch(() => undefined);
  await until('it complains', () => events.some(({ type }) => type === 'down'));
  const [event] = events;
  return event?.type === 'down' ? `${event.error.message} ${String(event.error.cause)}` : '';
}

const secure = (ca: string | undefined): Parameters<typeof redisQueue>[0] => ({
  connection: { host: 'localhost', port, username: 'runner', password: PASSWORD, tls: { ca } },
});

describe('security 12: redisQueue over TLS', () => {
  it('works with a certificate of an authority that it is told to trust', async () => {
    const client = server.client();
    await client.lpush('photo_tasks', 'a');
    const queue = redisQueue({ connection: { host: 'localhost', port, tls: { ca: AUTHORITY } } });
    queues.push(queue);
    await queue.open();
    const claims = await queue.claim(1, never);
    expect(claims).toHaveLength(1);
    await queue.ack(claims);
  });

  it.each([
    ['localhost.pem', undefined, 'NODE_EXTRA_CA_CERTS'],
    ['self-signed.pem', AUTHORITY, 'NODE_EXTRA_CA_CERTS'],
    ['expired.pem', AUTHORITY, 'Renew its certificate'],
    ['other-host.pem', AUTHORITY, 'Use a host name in the URL'],
  ])('refuses the certificate %s and says what to do, without the password', async (certificate, ca, advice) => {
    await server.client().config('SET', 'tls-cert-file', tlsFile(certificate));
    try {
      const said = await complaint(secure(ca));
      expect(said).toContain(advice);
      expect(said).not.toContain(PASSWORD);
    } finally {
      await server.client().config('SET', 'tls-cert-file', tlsFile('localhost.pem'));
    }
  });

  it('says that TLS is not spoken on a port', async () => {
    const plain = createServer((socket) => socket.end('-ERR what is this?\r\n')).listen(0, '127.0.0.1');
    onTestFinished(() => void plain.close());
    await once(plain, 'listening');
    const { port: plainPort } = plain.address() as AddressInfo;
    expect(await complaint({ url: `rediss://runner:${PASSWORD}@127.0.0.1:${plainPort}` })).toMatch(
      /check whether the URL must begin with rediss:\/\/ or redis:\/\//,
    );
  });

  it('is what rediss:// asks for, with checks', () => {
    expect(parseRedisUrl('rediss://cache').tls).toEqual({});
  });
});
