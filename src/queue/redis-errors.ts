import { type ErrorCode, RunnerError } from '../errors.js';

/** What to do about the refusals that people meet, by the first word of Redis' answer. */
const ADVICE: Readonly<Record<string, string>> = {
  OOM: 'It is out of memory: raise maxmemory or free some; claims wait meanwhile.',
  NOAUTH: 'Give a password in the URL.',
  WRONGPASS: 'Check the user and the password in the URL.',
  NOPERM: 'Grant its user the commands and keys that the documentation lists.',
  READONLY: 'It is a replica now: waiting for a primary.',
  MISCONF: 'It refuses writes because it cannot save: look at its log.',
  LOADING: 'It is reading its data: waiting.',
  WRONGTYPE: 'Rename the queue, or remove the key that is in its way.',
};

/** True for an answer of the server, false where the connection failed and nobody knows what was carried out. */
export function isRefusal(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === 'ReplyError';
}

/** The first word of a server's refusal (`OOM`, `NOSCRIPT`, …), or undefined. */
export function refusalCode(thrown: unknown): string | undefined {
  return isRefusal(thrown) ? /^-?([A-Z]+)(?: |$)/.exec(thrown.message)?.[1] : undefined;
}

/**
 * The error to report. ioredis hangs the command's arguments (a password, an element) on its errors, and Redis repeats
 * arguments of commands that it doesn't know: neither is passed on.
 *
 * @param where the server without credentials, e.g. `127.0.0.1:6379/0`
 */
export function queueError(thrown: unknown, where: string): RunnerError {
  if (thrown instanceof RunnerError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const [said = ''] = text.split(/,? with args beginning with/);
  const refusal = refusalCode(thrown);
  const code: ErrorCode = refusal === 'WRONGTYPE' ? 'QUEUE_WRONG_TYPE' : 'QUEUE_UNAVAILABLE';
  const verb = isRefusal(thrown) ? 'answered' : 'is out of reach';
  const advice = said.includes('unknown command')
    ? 'Redis 6.2 or newer (or Valkey, KeyDB, Dragonfly) is needed.'
    : (ADVICE[refusal ?? ''] ?? (isRefusal(thrown) ? '' : 'Waiting for it; check the URL if this lasts.'));
  return new RunnerError(
    code,
    `Redis at ${where} ${verb}: ${said.slice(0, 300).replace(/\.$/, '')}. ${advice}`.trim(),
    {
      cause: new Error(said),
    },
  );
}
