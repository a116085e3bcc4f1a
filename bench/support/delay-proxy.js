// A TCP proxy that holds every answer of the server back, as a network between two machines does.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Answers the proxy's port, and how to end it. Chunks keep their order: timers of one length fire in the order of their start. */
export async function startDelayProxy(targetPort, delayMs) {
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect({ port: targetPort, host: '127.0.0.1' });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        // After what is still on its way.
        setTimeout(() => other.destroy(), delayMs);
      });
    }
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => setTimeout(() => near.write(bytes), delayMs));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: server.address().port,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
