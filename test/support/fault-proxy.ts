import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';

/** A TCP proxy that does to connections what networks do. */
export interface FaultProxy {
  readonly port: number;
  /** Holds every answer of the server back for so long; only on connections that have sent this text, where given. */
  setLatencyMs(ms: number, onlyAfter?: string): void;
  /** Holds back for so long that a side has hung up. */
  setGoodbyeMs(ms: number): void;
  /** The server still hears us; its answers vanish. */
  swallowReplies(isOn: boolean): void;
  /** Neither side hears the other; the connections stay open. */
  setBlackHole(isOn: boolean): void;
  /** New connections are closed at once. */
  refuse(isOn: boolean): void;
  /** Cuts every connection with a reset. */
  reset(): void;
  stop(): Promise<void>;
}

export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let latencyMs = 0;
  let latencyText = '';
  let goodbyeMs = 0;
  let isSwallowing = false;
  let isBlackHole = false;
  let isRefusing = false;

  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (isRefusing) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const sent = new Set<string>();
    const later = (ms: number, action: () => void): void => {
      if (ms === 0) {
        action();
        return;
      }
      const timer = setTimeout(() => {
        timers.delete(timer);
        action();
      }, ms);
      timers.add(timer);
    };
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        later(goodbyeMs, () => other.destroy());
      });
    }
    near.on('data', (bytes) => {
      if (latencyText && bytes.includes(latencyText)) sent.add(latencyText);
      if (!isBlackHole) far.write(bytes);
    });
    near.on('end', () => later(goodbyeMs, () => far.end()));
    far.on('end', () => later(goodbyeMs, () => near.end()));
    far.on('data', (bytes) => {
      if (isBlackHole || isSwallowing) return;
      const isSlow = latencyText === '' || sent.has(latencyText);
      later(isSlow ? latencyMs : 0, () => {
        if (near.writable) near.write(bytes);
      });
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
    setLatencyMs: (ms, onlyAfter = '') => {
      latencyMs = ms;
      latencyText = onlyAfter;
    },
    setGoodbyeMs: (ms) => {
      goodbyeMs = ms;
    },
    swallowReplies: (isOn) => {
      isSwallowing = isOn;
    },
    setBlackHole: (isOn) => {
      isBlackHole = isOn;
    },
    refuse: (isOn) => {
      isRefusing = isOn;
    },
    reset,
    stop: async () => {
      for (const timer of timers) clearTimeout(timer);
      reset();
      server.close();
      await once(server, 'close');
    },
  };
}
