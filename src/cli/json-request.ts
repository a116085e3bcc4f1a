import { RunnerError, systemCode, type ErrorCode } from '../errors.js';
import { classifyStatus, firstOf } from '../sink/classify.js';
import { classifyNetworkError } from '../sink/network-error.js';

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const HINTS: Partial<Record<ErrorCode, string>> = {
  HTTP_UNAUTHORIZED: 'it refused the token; set ACCESS_TOKEN to a valid one of your user',
  HTTP_REDIRECT:
    'redirects are not followed, since the token would go along; set VARIABLE to where the server really is',
  HTTP_GONE: 'there is no such call; check that VARIABLE names the right server',
  HTTP_REJECTED: 'it could not use the request; check the model (--model) and PROCESSING_EMBEDDING_DIM',
  HTTP_RATE_LIMITED: 'it asks for fewer requests',
};

/** One call of a tool to a server: JSON there and back. */
export interface JsonCall {
  readonly url: string;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: unknown;
  /** Sent as `Authorization: Bearer`, to this URL alone: redirects are not followed. */
  readonly accessToken?: string;
  /** The variable that names the server, for messages. */
  readonly variable: string;
  /** What to do about a refusal, by its reason or its code, where it differs from the usual. */
  readonly hints?: Partial<Record<string, string>>;
  /** A longer answer is not read. @default 16 MiB */
  readonly maxAnswerBytes?: number;
  /** What was asked for is done whatever the answer says: one that is no JSON counts as none. @default false */
  readonly isAnswerOptional?: boolean;
  /** Ends the call; to be made by `AbortSignal.timeout()`. */
  readonly signal: AbortSignal;
}

/**
 * The JSON of an answer; undefined where there is none and it is optional. Certificates are always verified.
 * @throws RunnerError `HTTP_*`, with the variable to look at; never with the token or what the server wrote.
 */
export async function requestJson(call: JsonCall): Promise<unknown> {
  const { url, body, accessToken, variable, signal, hints = {}, maxAnswerBytes = MAX_ANSWER_BYTES } = call;
  const { origin } = new URL(url);
  const { Agent, request } = await import('undici');
  const agent = new Agent({
    maxResponseSize: maxAnswerBytes,
    autoSelectFamily: true,
    connect: { rejectUnauthorized: true },
  });
  try {
    const answer = await request(url, {
      dispatcher: agent,
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        accept: 'application/json',
        'user-agent': 'clip-runner',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    const refusal = classifyStatus(answer.statusCode, firstOf(answer.headers['retry-after']), Date.now(), origin);
    if (refusal !== undefined) {
      const { code, reason, retryAfterMs } = refusal;
      const advice = hints[reason] ?? hints[code] ?? hint(refusal, variable);
      throw new RunnerError(code, `${origin} answered HTTP ${answer.statusCode}: ${advice}.`, {
        reason,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    }
    return parse(await answer.body.text(), origin, call);
  } catch (thrown) {
    throw explain(thrown, origin, call, maxAnswerBytes);
  } finally {
    // Also what is left of an answer that was refused.
    void agent.destroy();
  }
}

function hint({ code }: RunnerError, variable: string): string {
  return HINTS[code]?.replaceAll('VARIABLE', variable) ?? "look at the server's log";
}

function parse(text: string, origin: string, { isAnswerOptional = false }: JsonCall): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (isAnswerOptional) return undefined;
    throw unexpectedAnswer(origin, 'JSON', { cause });
  }
}

/** @returns the error for an answer that is not what it must be */
export function unexpectedAnswer(server: string, expected: string, options: { cause?: unknown } = {}): RunnerError {
  return new RunnerError(
    'HTTP_SERVER_ERROR',
    `${server} gave an unexpected answer: expected ${expected}. Check that it is the right server, and its version.`,
    options,
  );
}

function explain(thrown: unknown, origin: string, { variable, signal }: JsonCall, maxBytes: number): RunnerError {
  if (thrown instanceof RunnerError) return thrown;
  const options = { cause: thrown };
  if (signal.aborted) {
    return new RunnerError('HTTP_TIMEOUT', `No answer from ${origin} in time (--timeout, ${variable}).`, options);
  }
  const code = systemCode(thrown);
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return unexpectedAnswer(origin, `at most ${maxBytes} bytes`, options);
  return new RunnerError(
    classifyNetworkError(thrown, origin).code,
    `No answer from ${origin} (${code ?? 'no HTTP'}): check that it is running and that ${variable} is right.`,
    options,
  );
}
