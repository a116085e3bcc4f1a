import { type ErrorCode, RunnerError, systemCode } from '../errors.js';

/** What to do about the refusals that people meet, by the first word of Redis' answer. */
const ADVICE: Readonly<Record<string, string>> = {
  OOM: 'It is out of memory: raise maxmemory or free some; claims wait meanwhile.',
  ASK: "The queue's slot is being moved to another node: waiting.",
  CLUSTERDOWN: 'Its cluster lacks nodes: waiting for them.',
  CROSSSLOT: 'There is a cluster behind it: set REDIS_CLUSTER=1, or the option `cluster`.',
  MASTERDOWN: 'It is a replica that has lost its primary: waiting.',
  MOVED:
    'It is a node of a cluster: set REDIS_CLUSTER=1, or the option `cluster`. Where that is set, the slot has moved: looking for it.',
  NOAUTH: 'Give a password in the URL.',
  WRONGPASS: 'Check the user and the password in the URL.',
  NOPERM: 'Grant its user the commands and keys that the documentation lists.',
  READONLY: 'It is a replica now: waiting for a primary.',
  MISCONF: 'It refuses writes because it cannot save: look at its log.',
  LOADING: 'It is reading its data: waiting.',
  TRYAGAIN: "The queue's slot is being moved to another node: waiting.",
  UNBLOCKED: 'It is a replica now: waiting for a primary.',
  WRONGTYPE: 'Rename the queue, or remove the key that is in its way.',
};

const UNTRUSTED =
  "Its certificate is of an authority that this machine doesn't trust: name the authority's file in NODE_EXTRA_CA_CERTS.";
const NO_TLS = 'TLS could not be agreed on: check whether the URL must begin with rediss:// or redis://.';

/** What to do about connections that fail, by the code of the system. */
const CONNECTION_ADVICE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'Renew its certificate.',
  CERT_NOT_YET_VALID: 'Check the clocks of both machines.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'Use a host name in the URL that its certificate holds.',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  EPROTO: NO_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
};

/** Refusals that last as long as one speaks to this server: another one may have taken its place. */
const WRONG_SERVER: ReadonlySet<string> = new Set(['CLUSTERDOWN', 'MASTERDOWN', 'MOVED', 'READONLY', 'UNBLOCKED']);

/** True for an answer of the server, false where the connection failed and nobody knows what was carried out. */
export function isRefusal(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === 'ReplyError';
}

/** What stands before the refusal of a command that a script calls, before Redis 7. */
const IN_SCRIPT = /^ERR Error running script .*?@user_script: ?\d+: (?=-?[A-Z]+ )/;

/** The first word of a server's refusal (`OOM`, `NOSCRIPT`, …), or undefined. */
export function refusalCode(thrown: unknown): string | undefined {
  return isRefusal(thrown) ? /^-?([A-Z]+)(?: |$)/.exec(thrown.message.replace(IN_SCRIPT, ''))?.[1] : undefined;
}

/** True where the server says that somebody else is to be asked. */
export function isWrongServer(thrown: unknown): boolean {
  return WRONG_SERVER.has(refusalCode(thrown) ?? '');
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
  const advice = adviceFor(thrown, said);
  const cause = new Error(said);
  if (isRefusal(thrown)) cause.name = thrown.name;
  const message = `Redis at ${where} ${verb}: ${said.slice(0, 300).replace(/\.$/, '')}. ${advice}`.trim();
  return new RunnerError(code, message, { cause });
}

function adviceFor(thrown: unknown, said: string): string {
  if (!isRefusal(thrown)) {
    return CONNECTION_ADVICE[systemCode(thrown) ?? ''] ?? 'Waiting for it; check the URL if this lasts.';
  }
  if (said.includes('unknown command')) return 'Redis 6.2 or newer (or Valkey, KeyDB, Dragonfly) is needed.';
  // Redis doesn't say which one, and doesn't say NOPERM either.
  if (/\bThe user executing the script\b/.test(said)) return `${ADVICE['NOPERM']} ACL LOG names the one it lacks.`;
  return ADVICE[refusalCode(thrown) ?? ''] ?? '';
}
