// What a Redis has done between two looks at it: commands by name, and time of its processor.

/** A look: `{ commands: { lmove: 12, … }, seconds }`; `seconds` is what the server's processor has worked since its start. */
export async function lookAtRedis(redis) {
  const facts = parse(`${await redis.info('commandstats')}\n${await redis.info('cpu')}`);
  const commands = Object.fromEntries(
    [...facts]
      .filter(([name]) => name.startsWith('cmdstat_'))
      .map(([name, value]) => [name.slice('cmdstat_'.length), Number(/calls=(\d+)/.exec(value)?.[1])]),
  );
  const seconds = Number(facts.get('used_cpu_user')) + Number(facts.get('used_cpu_sys'));
  return { commands, seconds };
}

/** Calls between two looks, the most frequent first, without those of the looks themselves. */
export function commandsBetween(before, after) {
  return Object.entries(after.commands)
    .map(([name, calls]) => [name, calls - (before.commands[name] ?? 0)])
    .filter(([name, calls]) => calls > 0 && name !== 'info')
    .sort(([, a], [, b]) => b - a);
}

function parse(info) {
  return new Map(
    info
      .split(/\r?\n/)
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}
