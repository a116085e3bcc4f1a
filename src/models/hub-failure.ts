import { RunnerError, type RunnerErrorOptions } from '../errors.js';

/** A failure that may go away by trying again: a lost connection, an overloaded hub. */
export class TransientHubError extends RunnerError {
  constructor(message: string, options: RunnerErrorOptions = {}) {
    super('MODEL_DOWNLOAD', message, options);
  }
}

export interface AnswerContext {
  readonly repository: string;
  readonly home: URL;
  /** Whether the hub itself answered, or a content network that it redirected to. */
  readonly isHome: boolean;
  readonly hasToken: boolean;
}

/** Turns an answer that isn't 2xx into the error to throw. Bodies are not read: they may be anything. */
export function failureOfStatus(answer: Pick<Response, 'status' | 'headers'>, context: AnswerContext): RunnerError {
  const { status, headers } = answer;
  const { repository, home, isHome } = context;
  const host = isHome ? `The hub at ${home.host}` : 'The content network of the hub';
  if (isTransient(status, isHome)) {
    return new TransientHubError(
      `${host} answered ${status} for ${repository}.`,
      retryAfter(headers.get('retry-after')),
    );
  }
  if (status === 404) {
    const what = headers.get('x-error-code') === 'EntryNotFound' ? 'has no such file in' : 'has no repository';
    return new RunnerError('MODEL_NOT_FOUND', `${host} ${what} ${repository}. Check the model's name.`);
  }
  if (status === 401 || status === 403) return new RunnerError('MODEL_DOWNLOAD', refusal(status, headers, context));
  return new RunnerError('MODEL_DOWNLOAD', `${host} answered ${status} for ${repository}, which was not expected.`);
}

/** A content network's signed address runs out (403, 404, 410); asking the hub again gives a new one. */
function isTransient(status: number, isHome: boolean): boolean {
  if (status === 408 || status === 425 || status === 429 || status >= 500) return true;
  return !isHome;
}

function refusal(status: number, headers: Headers, { repository, home, hasToken }: AnswerContext): string {
  if (headers.get('x-error-code') === 'GatedRepo' || status === 403) {
    return (
      `${repository} is gated: accept its terms at ${home.href.replace(/\/$/, '')}/${repository}, then set HF_TOKEN to a ` +
      'token of that account that may read it.'
    );
  }
  const token = hasToken
    ? 'the token that was sent (HF_TOKEN) may not read it'
    : 'it is private or gated and needs HF_TOKEN';
  return `The hub at ${home.host} answered ${status} for ${repository}: there is no such repository, or ${token}.`;
}

function retryAfter(value: string | null): RunnerErrorOptions {
  const seconds = Number(value ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {};
}
