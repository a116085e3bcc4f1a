import { RunnerError, coerceError } from '../../errors.js';
import { hubOptionsFromEnv, resolveHubOptions } from '../../models/hub-options.js';
import type { Call } from '../command.js';
import type { VariableName } from '../variables.js';
import { fetchModel } from './fetch-model.js';
import { NAMING_VARIABLES, namedModels } from './named-models.js';
import { describeModel, hubLines, overviewLines, type ModelRow } from './overview.js';
import { print, say } from './table.js';

export const PULL_VARIABLES = [...NAMING_VARIABLES, 'logLevel'] as const satisfies readonly VariableName[];

/** `clip-runner models pull`: downloads models into the cache. Answers the exit code. */
export async function runPull({ settings, flags, args, env }: Call<(typeof PULL_VARIABLES)[number]>): Promise<number> {
  const { dtype, logLevel } = settings;
  const models = namedModels(args[0] as readonly string[], settings);
  const hub = hubOptionsFromEnv(env);
  const { cacheDir } = resolveHubOptions(hub);
  for (const line of hubLines(hub)) say(line);

  const rows: ModelRow[] = [];
  const failures: unknown[] = [];
  for (const model of models) {
    say(`pulling ${model.name} (${dtype})`);
    try {
      await fetchModel(model, {
        options: { ...hub, dtype, wantText: flags['text'] as boolean | undefined },
        logLevel,
      });
    } catch (thrown) {
      if (thrown instanceof RunnerError && thrown.code === 'RUNNER_STOPPED') {
        say('clip-runner: stopped. What came is kept; the same command goes on from there.');
        return 1;
      }
      // The others are pulled all the same; the first failure is then the command's.
      failures.push(thrown);
      if (models.length > 1) say(`${model.name}: ${coerceError(thrown).message}`);
      continue;
    }
    rows.push(await describeModel(model.name, [model.label], dtype, cacheDir));
  }
  if (rows.length > 0) print(overviewLines(rows));
  if (failures.length > 0) throw failures[0];
  return 0;
}
