import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { FastifyReply, FastifyRequest, RequestPayload } from 'fastify';
import { Refusal } from './refusal.js';

const DECODERS = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress };

/**
 * Fastify's `preParsing` hook: the body as it was before the client compressed it. Fastify counts what comes out against
 * the limit of the body, so a small body can't become a large one.
 * @throws Refusal 415 for an encoding that is not known.
 */
export function decompress(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: RequestPayload,
): Promise<RequestPayload> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity') return Promise.resolve(payload);
  if (!Object.hasOwn(DECODERS, encoding)) {
    const headers = { 'accept-encoding': 'gzip, deflate, br' };
    return Promise.reject(new Refusal(415, 'Expected a Content-Encoding of gzip, deflate, br or none.', headers));
  }
  const decoder = DECODERS[encoding as keyof typeof DECODERS]();
  // Fastify compares this with Content-Length.
  Object.defineProperty(decoder, 'receivedEncodedLength', { get: () => decoder.bytesWritten });
  // What is left of a body that was refused is not unpacked any more.
  reply.raw.once('close', () => decoder.destroy());
  // Its errors come out of the decoder, too.
  pipeline(payload, decoder, () => undefined);
  return Promise.resolve(decoder as Readable);
}
