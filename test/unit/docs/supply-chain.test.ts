import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROOT } from '../../support/program.js';

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const locked = Object.entries(packages).filter(([path]) => path !== '');

it('security 10: every package is locked to the hash of its file, and comes from the registry', () => {
  expect(locked.length).toBeGreaterThan(100);
  for (const [path, { resolved, integrity = '', link = false }] of locked) {
    expect(integrity, path).toMatch(/^sha512-/);
    // Only packages of other places would have one.
    expect([resolved, link], path).toEqual([undefined, false]);
  }
});

it('security 10: dependencies are pinned to one version each', () => {
  const { dependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  for (const [name, version] of Object.entries(dependencies)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
});

it('security 10: no install script is run, and the one that a dependency has is not needed', () => {
  expect(readFileSync(`${ROOT}.npmrc`, 'utf8')).toContain('ignore-scripts=true');
  const scripted = locked.filter(([, { hasInstallScript = false, dev = false }]) => hasInstallScript && !dev);
  // Downloads CUDA libraries; those for processors are in the package.
  expect(scripted.map(([path]) => path)).toEqual(['node_modules/onnxruntime-node']);
});
