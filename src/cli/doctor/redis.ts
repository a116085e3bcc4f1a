import { evictionRisk } from '../../queue/eviction.js';
import type { RedisExam } from '../../queue/redis-exam.js';
import { note, ok, problem, type Finding } from './finding.js';

const LEAST_VERSION = [6, 2] as const;
const ACL_PAGE = 'docs/operating.md#a-user-with-few-rights';

/** What an examination of Redis means for a queue. */
export function redisFindings(exam: RedisExam): readonly Finding[] {
  if (exam.failure !== undefined) {
    const remedy = 'Start Redis there, or set REDIS_URL; photos and texts need it, serve, search and people do not.';
    return [problem('redis', exam.failure.message, remedy, { where: exam.where, code: exam.failure.code })];
  }
  return [
    ok('redis', `${exam.where} answers`, { where: exam.where }),
    versionFinding(exam),
    policyFinding(exam),
    persistenceFinding(exam),
    rightsFinding(exam),
  ];
}

function versionFinding({ version }: RedisExam): Finding {
  if (version === undefined) return note('redis', "The version can't be read", `Give the user +info: ${ACL_PAGE}.`);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isEnough = major > LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor >= LEAST_VERSION[1]);
  if (isEnough) return ok('redis', `Version ${version}`, { version });
  return problem('redis', `Version ${version} is too old`, 'Install Redis 6.2 or newer.', { version });
}

function policyFinding({ evictionPolicy }: RedisExam): Finding {
  const facts = { evictionPolicy: evictionPolicy ?? null };
  if (evictionPolicy === undefined)
    return note(
      'redis',
      "The maxmemory-policy can't be read",
      `It must be noeviction. Give the user +info: ${ACL_PAGE}.`,
      facts,
    );
  const risk = evictionRisk(evictionPolicy);
  if (risk === undefined) return ok('redis', `maxmemory-policy ${evictionPolicy}`, facts);
  const state = risk.losesJobs ? problem : note;
  const remedy = 'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf.';
  return state('redis', `maxmemory-policy ${evictionPolicy}: ${risk.says}`, remedy, facts);
}

function persistenceFinding({ persistence }: RedisExam): Finding {
  const facts = { persistence: persistence ?? null };
  if (persistence === 'aof') return ok('redis', 'Append-only file on: pushes survive a restart', facts);
  const remedy = 'redis-cli CONFIG SET appendonly yes, and the same in redis.conf.';
  if (persistence === 'snapshots')
    return note('redis', 'Snapshots only: a restart loses the pushes of the last minutes', remedy, facts);
  if (persistence === 'none') return note('redis', 'No persistence: a restart of Redis loses the queue', remedy, facts);
  return note('redis', "Whether pushes survive a restart can't be read", `Give the user +info: ${ACL_PAGE}.`, facts);
}

function rightsFinding({ missingRights }: RedisExam): Finding {
  if (missingRights === undefined)
    return note(
      'redis',
      'Rights were not checked: Redis tells them from version 7 on',
      `What the user needs: ${ACL_PAGE}.`,
    );
  const facts = { missingRights };
  if (missingRights.length === 0) return ok('redis', 'The user may do all that the runner needs', facts);
  return problem('redis', `The user may not: ${missingRights.join(', ')}`, `Grant it: ${ACL_PAGE}.`, facts);
}
