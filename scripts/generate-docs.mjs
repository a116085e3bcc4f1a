// `npm run docs:generate`: writes docs/configuration.md from the code. With `--check` it only says whether the page is
// what the code gives: exit code 0 or 1.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import prettier from 'prettier';
import { build } from 'tsup';
import { configurationPage } from './configuration-page.mjs';
import { root } from './prepare.mjs';

const page = path.join(root, 'docs', 'configuration.md');

/** The table of settings, run as it stands in the source: a build may be older. */
async function importVariables() {
  // Inside node_modules, so that what the bundle leaves out is still found.
  const cache = path.join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, 'docs-'));
  try {
    const entry = { variables: path.join(root, 'src', 'cli', 'variables.ts') };
    await build({
      config: false,
      entry,
      format: 'esm',
      outDir: folder,
      outExtension: () => ({ js: '.mjs' }),
      silent: true,
    });
    return (await import(pathToFileURL(path.join(folder, 'variables.mjs')).href)).VARIABLES;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const readSource = (file) => readFileSync(path.join(root, 'src', file), 'utf8');
const text = configurationPage(await importVariables(), readSource);
const formatted = await prettier.format(text, { ...(await prettier.resolveConfig(page)), parser: 'markdown' });

if (!process.argv.includes('--check')) {
  writeFileSync(page, formatted);
} else if (readFileSync(page, 'utf8') !== formatted) {
  console.error('docs/configuration.md is not what the code gives: run "npm run docs:generate".');
  process.exitCode = 1;
}
