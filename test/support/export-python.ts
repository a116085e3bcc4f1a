import path from 'node:path';
import { pythonWith } from '../../scripts/python-venv.mjs';
import { ROOT } from './program.js';

/** Folder of the exporter, with its scripts, `requirements.txt` and `test/`. */
export const EXPORTER = path.join(ROOT, 'tools', 'export');

/** A Python that has what the exporter requires. Takes a minute where a CPU build of torch is in reach, and some where it is not. */
export function ensureExportPython(): Promise<string> {
  return pythonWith(path.join('tools', 'export', 'requirements.txt'));
}
