import { Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { RunnerError, systemCode } from '../errors.js';
import { environmentFile } from './init/environment-file.js';

/** `clip-runner init [file]`: writes every setting with its meaning, to be filled in. */
export function initCommand(): Command {
  return new Command('init')
    .description('write a commented .env with every setting')
    .argument('[file]', 'where to write it', '.env')
    .option('--force', 'overwrite a file that is there', false)
    .action(async (file: string, { force }: { readonly force: boolean }) => {
      await write(file, force);
      process.stdout.write(
        `Wrote ${file}. Next: set PROCESSING_INTERNAL_TOKEN and CLIP_MODELS in it, then start clip-runner photos` +
          `${file === '.env' ? '' : `, where it is named .env in the working directory`}.\n`,
      );
    });
}

/** Only its owner may read it: it will hold a token. */
async function write(file: string, isForced: boolean): Promise<void> {
  try {
    await writeFile(file, environmentFile(), { mode: 0o600, flag: isForced ? 'w' : 'wx' });
  } catch (cause) {
    const code = systemCode(cause);
    const message =
      code === 'EEXIST'
        ? `${file} is there already, and was left as it is: name another file, or overwrite it by --force.`
        : `${file} can't be written: ${code ?? String(cause)}.`;
    throw new RunnerError('OPTIONS_INVALID', message, { cause });
  }
}
