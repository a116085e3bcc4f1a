import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entryUrl } from '../../../src/pool/entry-url.js';

describe('entryUrl', () => {
  let folder: string;
  const bundle = (): string => pathToFileURL(path.join(folder, 'build', 'server', 'app.js')).href;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'clip-runner-entry-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('finds the entry beside the code', () => {
    writeFileSync(path.join(folder, 'worker.js'), '');
    const code = pathToFileURL(path.join(folder, 'index.js')).href;
    expect(entryUrl('worker', code)).toEqual(pathToFileURL(path.join(folder, 'worker.js')));
  });

  it.each(['worker', 'session-worker', 'child', 'prepare'] as const)(
    'says what to do where a bundle has no %s',
    (name) => {
      expect(() => entryUrl(name, bundle())).toThrow(
        expect.objectContaining({ code: 'OPTIONS_INVALID', message: expect.stringContaining(`${name}.js`) as string }),
      );
    },
  );

  it('says the same in a bundle of CommonJS, which has no address', () => {
    expect(() => entryUrl('worker', '')).toThrow(/Keep clip-runner out of the bundle/);
  });
});
