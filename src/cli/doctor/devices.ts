import type { Device } from '../../model.js';
import { CUDA_REMEDIES, missingCudaLibraries, type CudaLibrary } from './cuda.js';
import { note, ok, problem, type Finding } from './finding.js';

const FETCH = 'node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12';

export interface DeviceQuestion {
  /** As it is set. */
  readonly asked: Device;
  readonly isStrict: boolean;
  /** Where the sessions of the models have come to run; empty where none could be loaded. */
  readonly used: readonly Device[];
  /** What the runtime said of devices that sessions should rather have run on. */
  readonly refusals: readonly string[];
}

/** Which devices there are, which is used, and why not another one. */
export async function deviceFindings(question: DeviceQuestion, env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  // Loads onnxruntime, which no other command needs in this process.
  const { reportDevices } = await import('../../pool/session.js');
  const reports = reportDevices();
  const usable = reports.filter(({ missing }) => missing === undefined).map(({ device }) => device);
  const cuda = reports.find(({ device }) => device === 'cuda')?.missing;
  const isLinux = process.platform === 'linux';
  const isWanted = question.asked === 'cuda' || (isLinux && usable.includes('cuda'));
  const libraries = isLinux && isWanted ? await missingCudaLibraries(env) : [];
  return [
    ok('devices', `Usable by this build of onnxruntime: ${usable.join(', ')}`, { reports }),
    ...useFindings(question),
    ...cudaFindings(question, cuda, libraries),
  ];
}

function useFindings({ asked, used, refusals, isStrict }: DeviceQuestion): readonly Finding[] {
  const names = [...new Set(used)];
  if (names.length === 0) return [];
  const facts = { asked, used: names, refusals };
  const why = refusals.length === 0 ? '' : `: ${refusals.join('; ')}`;
  const isFallback = asked !== 'auto' && names.some((name) => name !== asked);
  const use = `Models run on ${names.join(' and ')}`;
  if (!isFallback && why === '') return [ok('devices', `${use} (asked for: ${asked})`, facts)];
  if (!isFallback)
    return [note('devices', `${use}${why}`, 'Mend that, or set CLIP_DEVICE=cpu, and no other is tried.', facts)];
  const remedy = 'Mend that (what is known to be missing stands below), or set CLIP_DEVICE=auto.';
  const summary = `CLIP_DEVICE=${asked}, but models run on ${names.join(' and ')}${why}`;
  return [isStrict ? problem('devices', summary, remedy, facts) : note('devices', summary, remedy, facts)];
}

/** Told where CUDA is wanted, or could be had; a machine without it is nothing to complain about. */
function cudaFindings(
  { asked, isStrict }: DeviceQuestion,
  missing: string | undefined,
  libraries: readonly CudaLibrary[],
): readonly Finding[] {
  const state = asked === 'cuda' && isStrict ? problem : note;
  const facts = { missing: missing ?? null, libraries: libraries.map(({ file }) => file) };
  if (missing !== undefined && asked !== 'cuda') return [ok('devices', `CUDA is not used: ${missing}`, facts)];
  return [
    ...(missing === undefined
      ? []
      : [state('devices', `CUDA can't be used: ${missing}`, `On Linux x64: ${FETCH}`, facts)]),
    ...libraries.map(({ file, from }) =>
      state(
        'devices',
        `CUDA lacks ${file}`,
        `To use CUDA ${CUDA_REMEDIES[from]}; or name its folder in LD_LIBRARY_PATH.`,
        {
          file,
        },
      ),
    ),
  ];
}
