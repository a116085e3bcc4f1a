import { hubOptionsFromEnv, resolveHubOptions } from '../../models/hub-options.js';
import type { Call } from '../command.js';
import { NAMING_VARIABLES, configuredModels } from './named-models.js';
import { hubLines, overviewLines, unreadableLines } from './overview-text.js';
import { listModels } from './overview.js';
import { print } from './table.js';

export const LIST_VARIABLES = NAMING_VARIABLES;

/** `clip-runner models list`: the configured models and what else the cache holds; no network. Answers the exit code. */
export async function runList({ settings, flags, env }: Call<(typeof LIST_VARIABLES)[number]>): Promise<number> {
  const hub = hubOptionsFromEnv(env);
  const { models, unreadable } = await listModels(await configuredModels(settings, env), settings.dtype, hub);
  if (flags['json'] === true) {
    const { cacheDir, endpoint, offline } = resolveHubOptions(hub);
    print([JSON.stringify({ cacheDir, endpoint, offline, models, unreadable }, null, 2)]);
  } else {
    print([...overviewLines(models), '', ...unreadableLines(unreadable), ...hubLines(hub)]);
  }
  return 0;
}
