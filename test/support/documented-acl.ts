import { readFileSync } from 'node:fs';

const PAGE = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');

/** Which rights beyond those for one plain server. */
export interface AclNeeds {
  readonly cluster?: boolean;
}

/** The commands that docs/operating.md gives the runner's user, each as `+command`. */
export function documentedRights({ cluster = false }: AclNeeds = {}): readonly string[] {
  const rule = /^ACL SETUSER runner ([^`]*)```/m.exec(PAGE)?.[1] ?? '';
  const rights = rule.split(/\s+/).filter((word) => word.startsWith('+'));
  const further = /On a cluster add `([^`]*)`/.exec(PAGE)?.[1]?.split(' ') ?? [];
  if (rights.length === 0 || further.length === 0)
    throw new Error('docs/operating.md has no rule for the ACL any more');
  return cluster ? [...rights, ...further] : rights;
}

/** What `dlq` and `status` need beyond that, each as `+command`. */
export function documentedToolRights(): readonly string[] {
  const line = /^- `clip-runner dlq redrive`.*need.*$/m.exec(PAGE)?.[0] ?? '';
  const rights = line.match(/\+[a-z]+/g) ?? [];
  if (rights.length === 0) throw new Error('docs/operating.md says no longer what the tools need');
  return [...new Set(rights)];
}

/** The rule of docs/operating.md for another user, password and queue, as arguments of ACL. */
export function documentedAcl(
  { user, password, queue, deadLetters }: Readonly<Record<'user' | 'password' | 'queue' | 'deadLetters', string>>,
  needs: AclNeeds = {},
): readonly string[] {
  const rule = /^ACL SETUSER runner ([^`]*)```/m.exec(PAGE)?.[1] ?? '';
  const words = rule.split(/\s+/).filter((word) => word !== '' && !word.startsWith('+'));
  const own = words.map((word) =>
    word === '>password'
      ? `>${password}`
      : word.replaceAll('photo_tasks_dlq', deadLetters).replaceAll('photo_tasks', queue),
  );
  return ['SETUSER', user, ...own, ...documentedRights(needs)];
}
