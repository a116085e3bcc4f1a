import { RunnerError, coerceError } from '../../errors.js';
import type { Dtype } from '../../model.js';
import { hubOptionsFromEnv, resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { resolveCaptionModel } from '../../models/resolve-caption.js';
import { resolveFaceModel } from '../../models/resolve-face.js';
import { resolveClipModel } from '../../models/resolve.js';
import type { Call } from '../command.js';
import type { VariableName } from '../variables.js';
import { NAMING_VARIABLES, namedModels, type NamedModel } from './named-models.js';
import { hubLines, overviewLines } from './overview-text.js';
import { describeModel, type ModelRow } from './overview.js';
import { print, say } from './table.js';
import { withReport, type DownloadReport } from './with-report.js';

export const PULL_VARIABLES = [...NAMING_VARIABLES, 'logLevel'] as const satisfies readonly VariableName[];

/** `clip-runner models pull`: downloads models into the cache. Answers the exit code. */
export async function runPull({ settings, flags, args, env }: Call<(typeof PULL_VARIABLES)[number]>): Promise<number> {
  const { dtype, logLevel } = settings;
  const models = await namedModels(args[0] as readonly string[], settings, env);
  const hub = hubOptionsFromEnv(env);
  const { cacheDir } = resolveHubOptions(hub);
  for (const line of hubLines(hub)) say(line);

  const rows: ModelRow[] = [];
  const failures: unknown[] = [];
  for (const model of models) {
    say(`pulling ${model.name} (${model.kind === 'face' ? 'faces' : dtype})`);
    const wantText = flags['text'] as boolean | undefined;
    try {
      await withReport<unknown>(model.name, logLevel, (report) =>
        pullOne(model, { ...hub, ...report, dtype }, wantText),
      );
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
    rows.push(...(await describeModel(model, [model.label], dtype, cacheDir)));
  }
  if (rows.length > 0) print(overviewLines(rows));
  if (failures.length > 0) throw failures[0];
  return 0;
}

type PullOptions = HubOptions & DownloadReport & { readonly dtype: Dtype };

function pullOne(model: NamedModel, options: PullOptions, wantText: boolean | undefined): Promise<unknown> {
  const { dtype, ...common } = options;
  switch (model.kind) {
    case 'face':
      return resolveFaceModel(model.name, common);
    case 'caption':
      return resolveCaptionModel(model.name, options);
    case 'clip':
      return resolveClipModel(model, { ...common, dtype, wantText });
  }
}
