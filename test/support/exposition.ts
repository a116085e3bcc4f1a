import { pythonWith } from '../../scripts/python-venv.mjs';
import { Program } from './program.js';

/** One value of a metric. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** A scrape, read by the parser of Prometheus' own client for Python. */
export class Exposition {
  readonly families: Readonly<Record<string, Family>>;

  constructor(families: Readonly<Record<string, Family>>) {
    this.families = families;
  }

  get samples(): readonly Sample[] {
    return Object.values(this.families).flatMap(({ samples }) => samples);
  }

  /** The values of the samples of this name with these labels, added up; undefined where there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }
}

const PARSE = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
print(json.dumps({family.name: {
    "type": family.type, "help": family.documentation,
    "samples": [{"name": s.name, "labels": s.labels, "value": s.value if s.value == s.value else None} for s in family.samples],
} for family in text_string_to_metric_families(sys.stdin.read())}))`;

/** To be called once, in `beforeAll`: makes the environment of Python. */
export async function expositionParser(): Promise<(text: string) => Promise<Exposition>> {
  const python = await pythonWith('tools/prometheus/requirements.txt');
  return async (text) => {
    const program = new Program(python, ['-c', PARSE], { stdin: 'pipe' });
    program.child.stdin!.end(text);
    const { ended, stdout, stderr } = await program.end();
    if (ended !== 0) throw new Error(stderr);
    return new Exposition(JSON.parse(stdout) as Record<string, Family>);
  };
}
