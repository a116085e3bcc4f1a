import { spawnSync } from 'node:child_process';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import type { Variable } from '../../../src/cli/variable.js';
import { VARIABLES } from '../../../src/cli/variables.js';
import { ISOLATION_DEFAULTS } from '../../../src/isolation-options.js';
import { resolveHubOptions } from '../../../src/models/hub-options.js';
import { resolveRunnerOptions } from '../../../src/options.js';
import { resolveRedisQueueOptions } from '../../../src/queue/redis-options.js';
import { resolveCourierOptions } from '../../../src/sink/courier-options.js';
import { resolveHttpOptions, resolveToken } from '../../../src/sink/http-options.js';
import { readText, ROOT, tableRows } from '../../support/markdown.js';

describe('docs/configuration.md', () => {
  it('is what the code gives (else: npm run docs:generate)', () => {
    const script = path.join(ROOT, 'scripts', 'generate-docs.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { cwd: ROOT, encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

/** The `@default` of each member of an interface. */
function documentedDefaults(file: string, interfaceName: string): [name: string, text: string][] {
  const tree = ts.createSourceFile(file, readText(file), ts.ScriptTarget.Latest, true);
  const found = tree.statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === interfaceName,
  );
  if (found === undefined) throw new Error(`There is no interface ${interfaceName} in ${file}.`);
  return found.members.flatMap((member) => {
    const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default');
    const text = ts.getTextOfJSDocComment(tag?.comment);
    return text === undefined ? [] : [[member.name?.getText() ?? '', text] as [string, string]];
  });
}

/** Defaults that are said in words. */
const WORDS: Readonly<Record<string, unknown>> = {
  '[the working directory]': [process.cwd()],
  '[half of the memory that this process may use]': ISOLATION_DEFAULTS.maxMemoryBytes,
  '`${name}_dlq`': 'photo_tasks_dlq',
  'Math.random': Math.random,
};

/** `'fp32'`, `10_000`, `['clip']`, `268435456 (256 MiB)` → the value. */
function valueOf(text: string): unknown {
  if (Object.hasOwn(WORDS, text)) return WORDS[text];
  const [literal = ''] = text.split(' (');
  return JSON.parse(
    literal.replaceAll("'", '"').replaceAll('_', (mark, at: number) => (/\d/.test(literal[at - 1] ?? '') ? '' : mark)),
  );
}

describe('@default comments', () => {
  // What is given must come out as if it were left out: so the comment and the default are the same.
  it.each([
    ['src/options.ts', 'RunnerOptions', resolveRunnerOptions],
    ['src/tunable-options.ts', 'TunableOptions', resolveRunnerOptions],
    ['src/ocr-options.ts', 'OcrOptions', resolveRunnerOptions],
    ['src/isolation-options.ts', 'IsolationOptions', resolveRunnerOptions],
    ['src/queue/redis-options.ts', 'RedisQueueOptions', resolveRedisQueueOptions],
    ['src/queue/queue-options.ts', 'CommonQueueOptions', resolveRedisQueueOptions],
    ['src/sink/courier-options.ts', 'CourierOptions', resolveCourierOptions],
    ['src/sink/http-options.ts', 'HttpSinkOptions', resolveHttp],
  ])('of %s, %s, agree with the defaults', (file, name, resolve: (options: object) => unknown) => {
    const defaults = documentedDefaults(file, name);
    expect(defaults.length).toBeGreaterThan(0);
    for (const [option, text] of defaults) {
      expect(resolve({ [option]: valueOf(text) }), `@default ${text} of ${option}`).toEqual(resolve({}));
    }
  });

  it('of the hub agree with the defaults', () => {
    const resolved = resolveHubOptions({});
    for (const [option, text] of documentedDefaults('src/models/hub-options.ts', 'HubOptions')) {
      if (option === 'cacheDir') continue; // Below the user's own folder.
      expect(resolved[option as keyof typeof resolved], option).toBe(valueOf(text));
    }
  });
});

describe.each(['README.md', 'README.zh-CN.md'])('%s', (file) => {
  const entries: Record<string, Variable<unknown>> = Object.fromEntries(
    Object.values<Variable<unknown>>(VARIABLES).map((entry) => [entry.env, entry]),
  );

  it('gives the defaults of the variables that it lists', () => {
    const rows = tableRows(readText(file)).filter(([name = '']) => /^`[A-Z_]+`$/.test(name));
    expect(rows.length).toBeGreaterThan(8);
    for (const [name = '', fallback] of rows) {
      const entry = entries[name.slice(1, -1)];
      expect(fallback, name).toBe(entry?.default === '' ? '' : `\`${entry?.default}\``);
    }
  });
});

function resolveHttp({ token, ...rest }: { readonly token?: unknown }): unknown {
  return { ...resolveHttpOptions(rest), token: resolveToken(token) };
}
