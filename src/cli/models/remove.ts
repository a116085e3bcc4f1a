import { createInterface } from 'node:readline/promises';
import { once } from 'node:events';
import { RunnerError } from '../../errors.js';
import { readCachedModel, type CachedModel } from '../../models/cached-models.js';
import { lookUpModel } from '../../models/catalog.js';
import { hubOptionsFromEnv, resolveHubOptions } from '../../models/hub-options.js';
import { planRemoval, planRemovalOfOld, removePlanned, type Removal } from '../../models/removal.js';
import { isLocalFolder, parseRepository } from '../../models/repository.js';
import type { Call } from '../command.js';
import { NAMING_VARIABLES, namedModels } from './named-models.js';
import { print, say, sizeText } from './table.js';

export const REMOVE_VARIABLES = NAMING_VARIABLES;

/** `clip-runner models remove`: removes models from the cache, after a question. Answers the exit code. */
export async function runRemove({
  settings,
  flags,
  args,
  env,
}: Call<(typeof REMOVE_VARIABLES)[number]>): Promise<number> {
  const { cacheDir } = resolveHubOptions(hubOptionsFromEnv(env));
  // Everything is looked at before anything is removed.
  const removals = new Map<string, Removal>();
  for (const { name } of namedModels(args[0] as readonly string[], settings)) {
    const model = await findCached(name, cacheDir);
    removals.set(model.repository.id, flags['old'] === true ? await planRemovalOfOld(model) : await planRemoval(model));
  }
  for (const [id, { files, sizeBytes }] of removals) say(`${id}: ${files} files, ${sizeText(sizeBytes)}`);
  if (flags['dryRun'] === true) {
    print([...removals.values()].flatMap(({ paths }) => paths));
    return 0;
  }
  if (flags['yes'] !== true && !(await isConfirmed())) {
    say('Nothing was removed.');
    return 1;
  }
  for (const [id, removal] of removals) {
    await removePlanned(removal, cacheDir);
    print([`removed ${id}: ${sizeText(removal.sizeBytes)}`]);
  }
  return 0;
}

async function findCached(name: string, cacheDir: string): Promise<CachedModel> {
  if (await isLocalFolder(name)) {
    throw new RunnerError('OPTIONS_INVALID', `${name} is a folder of your own, not in the cache: remove it yourself.`);
  }
  const repository = parseRepository(lookUpModel(name).repository);
  const model = await readCachedModel(cacheDir, repository);
  if (model !== undefined) return model;
  throw new RunnerError(
    'MODEL_NOT_FOUND',
    `The cache ${cacheDir} holds no model of ${repository.id} that clip-runner uses; "clip-runner models list" shows those ` +
      'that it holds.',
  );
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new RunnerError(
      'OPTIONS_INVALID',
      'There is no terminal to ask on: say --yes to remove, or --dry-run to look.',
    );
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and Ctrl-D close the interface: the question then fails or stays without an answer, as Node.js' version has it.
    const closed = once(lines, 'close').then(() => 'n');
    const answer = await Promise.race([lines.question('Remove? [y/N] ').catch(() => 'n'), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
