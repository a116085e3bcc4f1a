import type { FastifyError } from 'fastify';
import { RunnerError, type ErrorCode } from '../errors.js';

/** An answer other than success, thrown where it is decided. It never leaves this stage. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

/** Seconds after which it is worth asking again. */
const RETRY_AFTER = { 'retry-after': '1' };

export function busy(detail: string): Refusal {
  return new Refusal(503, detail, RETRY_AFTER);
}

/** Failures that are the input's, not ours. */
const INPUT_STATUS: Partial<Record<ErrorCode, number>> = {
  FILE_EMPTY: 400,
  FILE_TOO_LARGE: 413,
  IMAGE_TOO_LARGE: 413,
  IMAGE_UNSUPPORTED: 415,
  IMAGE_DECODE: 422,
  IMAGE_TIMEOUT: 422,
  JOB_POISON: 422,
};

/** Fastify's own errors that a request can cause; its wording is for those who write the server. */
const FRAMEWORK_DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is longer than this service takes.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not JSON.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty; expected JSON.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as its Content-Length.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE:
    'Expected another Content-Type; the document at /openapi.json has those that are taken.',
  FST_ERR_BAD_URL: 'The path is not a valid URL.',
};

/** What a request is answered whose handling threw. `models`: what to name to those who ask for another. */
export function refusalOf(thrown: unknown, models: string): Refusal {
  if (thrown instanceof Refusal) return thrown;
  if (thrown instanceof RunnerError) return ofRunnerError(thrown);
  if (!isFrameworkError(thrown)) return new Refusal(500, 'internal error');
  if (thrown.validation !== undefined) return ofValidation(thrown, models);
  const status = thrown.statusCode ?? 500;
  if (status >= 500) return new Refusal(500, 'internal error');
  // Without a code of Fastify's it comes from the stream of the body: it broke off, or can't be unpacked.
  return new Refusal(status, FRAMEWORK_DETAILS[thrown.code] ?? 'The body can not be read.');
}

function ofRunnerError({ code, message }: RunnerError): Refusal {
  const status = INPUT_STATUS[code];
  if (status !== undefined) return new Refusal(status, message);
  if (code === 'JOB_INVALID') return new Refusal(400, message);
  if (code === 'RUNNER_STOPPED') return busy('The service is not ready.');
  return new Refusal(500, code === 'INTERNAL' ? 'internal error' : message);
}

/** The first thing that is wrong. Says where, never what came. */
function ofValidation({ validation, validationContext }: FastifyError, models: string): Refusal {
  const { keyword, instancePath = '', message = '' } = validation?.[0] ?? {};
  if (keyword === 'enum') return new Refusal(404, `There is no such model. The models are: ${models}.`);
  if (keyword === 'pattern') {
    const place = instancePath.slice(1);
    return new Refusal(400, place === 'text' ? 'text is required' : `text is required: ${place} is blank`);
  }
  const detail = `${validationContext ?? 'body'}${instancePath} ${message}`;
  return new Refusal(422, detail);
}

function isFrameworkError(thrown: unknown): thrown is FastifyError {
  return thrown instanceof Error && 'statusCode' in thrown;
}
