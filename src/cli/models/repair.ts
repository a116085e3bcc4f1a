import { basename } from 'node:path';
import type { RunnerError } from '../../errors.js';
import { coerceError } from '../../errors.js';
import type { Dtype } from '../../model.js';
import { removeCut } from '../../models/cut-store.js';
import { resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { repairCachedFiles } from '../../models/repair.js';
import { inspectModel, type Inspection } from './model-folders.js';
import type { NamedModel } from './named-models.js';
import { say } from './table.js';
import { withReport } from './with-report.js';

interface RepairOptions {
  readonly dtype: Dtype;
  readonly hub: HubOptions;
  readonly logLevel: string;
}

/**
 * Downloads again what is damaged of a model, and nothing else; graphs cut out of a joint one are cut again when it is
 * loaded. Folders of the user's own are not changed. Answers what could not be repaired.
 * @throws RunnerError `RUNNER_STOPPED`
 */
export async function repairModel(
  model: NamedModel,
  { dtype, hub, logLevel }: RepairOptions,
): Promise<readonly RunnerError[]> {
  // What is not there at all is for the verdict to tell.
  const inspections = await inspectModel(model, dtype, hub).catch((): readonly Inspection[] => []);
  const failures: RunnerError[] = [];
  for (const { cached, damaged, damagedCuts } of inspections) {
    for (const { folder } of damagedCuts) {
      say(`${model.name}: the ${basename(folder)} side that was cut is damaged and is cut again`);
      await removeCut(folder);
    }
    if (cached === undefined || damaged.length === 0) continue;
    for (const path of damaged) say(`${model.name}: ${path} is damaged and is downloaded again`);
    try {
      const repair = withReport(model.name, logLevel, (report) =>
        repairCachedFiles(cached, damaged, { hub: resolveHubOptions(hub), ...report }),
      );
      failures.push(...(await repair));
    } catch (thrown) {
      const error = coerceError(thrown);
      if (error.code === 'RUNNER_STOPPED') throw error;
      failures.push(error);
    }
  }
  return failures;
}
