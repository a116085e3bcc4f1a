import { readdirSync } from 'node:fs';
import path from 'node:path';

/** What the jobs of a soak are, and what has to become of each. */
export interface Workload {
  readonly name: 'no-ops' | 'photos';
  readonly jobs: number;
  /** The elements to push for a job: two identical ones for some. */
  elements(id: number): readonly string[];
  /** The reason under which the job has to die; undefined where its callback has to be made. */
  deathOf(id: number): string | undefined;
  /** Whether the sink is to answer 404. */
  isGone(id: number): boolean;
  /** Which job a dead element was. */
  idOf(element: Readonly<Record<string, unknown>>): number;
}

const BAD_EVERY = 500;
const TWIN_EVERY = 97;

/** Jobs of a task that does nothing. One in 500 has to die: it is not JSON, or its task refuses it, or the sink does. */
export function noOps(jobs: number): Workload {
  const kindOf = (id: number): 'good' | 'no json' | 'refused' | 'gone' => {
    if (id % BAD_EVERY !== 0) return 'good';
    return (['no json', 'refused', 'gone'] as const)[(id / BAD_EVERY) % 3]!;
  };
  const deaths = { good: undefined, 'no json': 'invalid', refused: 'output', gone: 'http_404' } as const;
  return {
    name: 'no-ops',
    jobs,
    elements: (id) => {
      const kind = kindOf(id);
      if (kind === 'no json') return [`no json: ${id}`];
      const element = JSON.stringify({ id, refuse: kind === 'refused' });
      return kind === 'good' && id % TWIN_EVERY === 0 ? [element, element] : [element];
    },
    deathOf: (id) => deaths[kindOf(id)],
    isGone: (id) => kindOf(id) === 'gone',
    idOf: ({ id, _runner: note }) =>
      typeof id === 'number' ? id : Number(/\d+$/.exec(String((note as { raw?: unknown } | undefined)?.raw))?.[0]),
  };
}

const BAD_PHOTO_EVERY = 50;
const REASONS: Readonly<Record<string, string>> = {
  'zero_bytes.jpg': 'empty',
  'bomb_60000x60000.png': 'too_large',
  'external_entity.svg': 'unsupported',
  'garbage.heic': 'unsupported',
  'html.png': 'unsupported',
  'random.jpg': 'unsupported',
  'text.jpg': 'unsupported',
};

/** Photos of a folder through a real model; one in 50 is one of those in its folder `bad`. */
export function photos(jobs: number, folder: string): Workload {
  const names = (from: string): readonly string[] =>
    readdirSync(path.join(folder, from), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => path.posix.join(from, name))
      .sort();
  const [good, bad] = [names(''), names('bad')];
  const fileOf = (id: number): string =>
    id % BAD_PHOTO_EVERY === 0 ? bad[(id / BAD_PHOTO_EVERY) % bad.length]! : good[id % good.length]!;
  return {
    name: 'photos',
    jobs,
    elements: (id) => [JSON.stringify({ photo_id: id, user_id: 1, path: fileOf(id), tasks: ['clip'] })],
    deathOf: (id) => {
      const file = fileOf(id);
      return file.startsWith('bad/') ? (REASONS[path.basename(file)] ?? 'decode') : undefined;
    },
    isGone: () => false,
    idOf: ({ photo_id: id }) => Number(id),
  };
}
