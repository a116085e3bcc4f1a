import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';

/** A TCP proxy that does to connections what networks do. */
export interface FaultProxy {
  readonly port: number;
  /** Holds every answer of the server back for so long. */
  setLatencyMs(ms: number): void;
  /** The server still hears us; its answers vanish. */
  swallowReplies(isOn: boolean): void;
  /** Neither side hears the other; the connections stay open. */
  setBlackHole(isOn: boolean): void;
  /** New connections are closed at once. */
  refuse(isOn: boolean): void;
  /** Cuts every connection with a reset. */
  reset(): void;
  /** Bytes that have come from the server and were swallowed. */
  readonly swallowedBytes: number;
  stop(): Promise<void>;
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let latencyMs = 0;
  let isSwallowing = false;
  let isBlackHole = false;
  let isRefusing = false;
  let swallowedBytes = 0;

  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (isRefusing) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on('data', (bytes) => {
      if (!isBlackHole) far.write(bytes);
    });
    near.on('end', () => far.end());
    far.on('end', () => near.end());
    far.on('data', (bytes) => {
      if (isBlackHole || isSwallowing) {
        swallowedBytes += bytes.length;
      } else if (latencyMs === 0) {
        near.write(bytes);
      } else {
        const timer = setTimeout(() => {
          timers.delete(timer);
          if (near.writable) near.write(bytes);
        }, latencyMs);
        timers.add(timer);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };

  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port,
    setLatencyMs: (ms) => (latencyMs = ms),
    swallowReplies: (isOn) => (isSwallowing = isOn),
    setBlackHole: (isOn) => (isBlackHole = isOn),
    refuse: (isOn) => (isRefusing = isOn),
    reset,
    get swallowedBytes() {
      return swallowedBytes;
    },
    stop: async () => {
      for (const timer of timers) clearTimeout(timer);
      reset();
      server.close();
      await once(server, 'close');
    },
  };
}
