import { parentPort } from 'node:worker_threads';
import { SessionServer } from './pool/session-server.js';
import { openOnnxSession } from './pool/session.js';
import type { SessionRequest } from './pool/protocol.js';

/** The entry of a thread that runs the sessions of a worker thread, see `SessionThread`. */

const server = new SessionServer(openOnnxSession, (answer) => parentPort?.postMessage(answer));
parentPort?.on('message', (request: SessionRequest) => void server.handle(request));
