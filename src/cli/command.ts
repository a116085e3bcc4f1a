import { Command, Option } from 'commander';
import dotenv from 'dotenv';
import type { Variable } from './variable.js';
import { VARIABLES, readSettings, type Settings, type VariableName } from './variables.js';

/** What a command is called with. */
export interface Call<Name extends VariableName> {
  readonly settings: Settings<Name>;
  /** Values of the flags that are no settings (`--json`), by their camel-case names. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The words behind the command; a list of words is one entry. */
  readonly args: readonly unknown[];
  readonly env: NodeJS.ProcessEnv;
}

/**
 * A command that takes settings by flag, variable or `.env`. `run` answers the exit code; what it throws is reported by
 * `cli.ts`. Further flags and arguments are added to what comes back.
 */
export function settingsCommand<Name extends VariableName>(
  name: string,
  description: string,
  variables: readonly Name[],
  run: (call: Call<Name>) => Promise<number>,
): Command {
  const command = new Command(name).description(description);
  for (const variable of variables) command.addOption(toOption(variable, VARIABLES[variable]));
  return command.action(async (...all: unknown[]) => {
    // Commander gives the arguments, then the flags, then the command itself.
    const args = all.slice(0, -2);
    const flags = all.at(-2) as Readonly<Record<string, unknown>>;
    dotenv.config({ quiet: true });
    const { env } = process;
    process.exitCode = await run({ settings: readSettings(variables, flags, env), flags, args, env });
  });
}

function toOption(
  name: VariableName,
  { flag, env, default: fallback, help, isSecret, read }: Variable<unknown>,
): Option {
  const note = fallback === '' || isSecret === true ? env : `${env}, default ${fallback}`;
  const option = new Option(`--${flag} <value>`, `${help} [${note}]`);
  // Shown in the help and to shells; the setting's own reader checks, so that a variable and its flag are refused alike.
  if (read.choices !== undefined) option.argChoices = [...read.choices];
  return withName(option, name);
}

/** Commander names a value by its flag; ours are named by the setting. */
function withName(option: Option, name: string): Option {
  option.attributeName = () => name;
  return option;
}
