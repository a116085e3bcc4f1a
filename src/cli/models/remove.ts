import { RunnerError } from '../../errors.js';
import { readCachedModel, type CachedModel } from '../../models/cached-models.js';
import { preparedFolder } from '../../models/cache.js';
import { hubOptionsFromEnv, resolveHubOptions } from '../../models/hub-options.js';
import { planRemoval, planRemovalOfOld, removePlanned, type Removal } from '../../models/removal.js';
import { isLocalFolder } from '../../models/repository.js';
import type { Call } from '../command.js';
import { checkTerminal, isConfirmed } from '../confirm.js';
import { NAMING_VARIABLES, namedModels, ownFolderOf, repositoriesOf, type NamedModel } from './named-models.js';
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
  for (const named of await namedModels(args[0] as readonly string[], settings, env)) {
    for (const model of await findCached(named, cacheDir)) {
      const removal = flags['old'] === true ? await planRemovalOfOld(model) : await planRemoval(model);
      removals.set(model.repository.id, removal);
    }
  }
  for (const [id, { files, sizeBytes }] of removals) say(`${id}: ${files} files, ${sizeText(sizeBytes)}`);
  if (flags['dryRun'] === true) {
    print([...removals.values()].flatMap(({ paths }) => paths));
    return 0;
  }
  if (flags['yes'] !== true) {
    checkTerminal('say --yes to remove, or --dry-run to look.');
    if (!(await isConfirmed('Remove?'))) {
      say('Nothing was removed.');
      return 1;
    }
  }
  for (const [id, removal] of removals) {
    await removePlanned(removal, cacheDir);
    print([`removed ${id}: ${sizeText(removal.sizeBytes)}`]);
  }
  const { sweepPrepared } = await import('../../pool/prepared-graph.js');
  await sweepPrepared(preparedFolder(cacheDir));
  return 0;
}

/** What the cache holds of a model: of a pair of graphs, each may be there without the other. */
async function findCached(named: NamedModel, cacheDir: string): Promise<readonly CachedModel[]> {
  const { name } = named;
  if (await isLocalFolder(name)) {
    throw new RunnerError('OPTIONS_INVALID', `${name} is a folder of your own, not in the cache: remove it yourself.`);
  }
  const repositories = repositoriesOf(named);
  const cached = await Promise.all(repositories.map((repository) => readCachedModel(cacheDir, repository)));
  const models = cached.filter((model) => model !== undefined);
  if (models.length > 0) return models;
  const own = await ownFolderOf(named, cacheDir);
  if (own !== undefined) {
    throw new RunnerError('OPTIONS_INVALID', `${name} lies in ${own}, not in the cache: remove it there yourself.`);
  }
  throw new RunnerError(
    'MODEL_NOT_FOUND',
    `The cache ${cacheDir} holds no model of ${repositories.map(({ id }) => id).join(' or ')} that clip-runner uses; ` +
      '"clip-runner models list" shows those that it holds.',
  );
}
