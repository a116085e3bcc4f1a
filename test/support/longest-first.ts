import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files of `test/integration/` that take longest, those that begin first at the front. Those that mostly wait for clocks
 * stand among those that keep a processor busy, and those that need Python behind others, while its packages are fetched.
 */
const LONGEST: readonly string[] = [
  ...[
    'crash',
    'people-command',
    'package',
    'models-command',
    'redis-topologies',
    'queue-redis',
    'three-hosts',
    'search-command',
  ],
  ...['faces', 'rows-mount', 'export', 'schemathesis', 'queue-redis-crash-points', 'isolation', 'deploy-image'],
  ...['photos-command', 'serve-connections', 'examples', 'dlq-command', 'ocr', 'texts-crash'],
  ...['reference-faces', 'status-command', 'photos-captions', 'queue-redis-faults'],
];

/** So that no long file is left over for a single processor at the end. Unit tests are short and come last. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

function rank({ moduleId, project }: TestSpecification): number {
  if (project.name !== 'integration') return LONGEST.length + 1;
  const place = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return place < 0 ? LONGEST.length : place;
}
