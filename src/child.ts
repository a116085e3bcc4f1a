import { ChildServer } from './pool/child-server.js';
import type { ChildRequest } from './pool/protocol.js';

/** The entry of a child process: the threads with the models, and nothing else. */

// A terminal and systemd signal the whole group; when it is time to go the parent says.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const server = new ChildServer((message, onSent) => process.send?.(message, undefined, {}, onSent));
process.on('message', (request: ChildRequest) => server.handle(request));
// Without its parent it has nothing to do, and nobody would ever end it.
process.on('disconnect', () => server.end());
process.on('uncaughtException', (error) => server.die(error));
