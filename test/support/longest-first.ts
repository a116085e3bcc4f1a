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
    'gallery-page',
    'three-hosts',
    'export',
  ],
  ...['schemathesis', 'rows-mount', 'gallery-demo', 'soak', 'serve-connections', 'examples', 'doctor-command'],
  ...[
    'isolation',
    'reference-captions',
    'queue-redis-crash-points',
    'doc-blocks',
    'photos-command',
    'captions',
    'queue-redis',
  ],
  ...['dead-letters-cluster', 'ocr', 'people-report', 'caption-models', 'isolation-command'],
  ...['prepared-graphs', 'dlq-command', 'reference-faces', 'texts-crash', 'photos-faces', 'search-command'],
  ...['rows-sink', 'metrics', 'status-command', 'gallery-contract', 'queue-redis-cluster', 'reference-images'],
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
