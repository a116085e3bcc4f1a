import { readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, type Runner } from '../../dist/index.js';
import type { PrecisionRow } from '../../src/cli/models/compare/compare-side.js';
import { DTYPES, type Dtype } from '../../src/model.js';
import { resolveCaptionModel } from '../../src/models/resolve-caption.js';
import { ensureExportPython, EXPORTER } from '../support/export-python.js';
import { captionIds } from '../support/captioner.js';
import { cosine, IMAGES } from '../support/fixtures.js';
import { putCommit } from '../support/model-cache.js';
import { type Ending, plainEnvironment, Program, ROOT } from '../support/program.js';

/** A tenth would do; other programs may want the processors, too. */
const EXPORT_MS = 900_000;
const PICTURES = ['astronaut.jpg', 'chelsea.jpg', 'rocket.jpg', 'small_150x100.png', 'brick.jpg'].map((name) =>
  path.join(IMAGES, name),
);
const TEXTS = [
  'a photo of a cat on the beach',
  'two dogs in the snow <|mark|> at night',
  '海边的猫',
  'a lantern by the river, '.repeat(40),
];
/** How near to torch a dtype must be, through everything: decoder, resampler, tokenizer, graph. */
const LEAST_COSINE = { fp32: 0.99999, fp16: 0.999, q8: 0.95 } as const satisfies Record<Dtype, number>;
/** The type of the weights of its matrix products. */
const WEIGHTS = { fp32: 'float32', fp16: 'float16', q8: 'int8' } as const satisfies Record<Dtype, string>;
const FAMILIES = ['clip', 'chinese-clip', 'siglip'] as const;
/** Models that must be refused by an exporter, with the exit code and a part of the message. */
const REFUSED = [
  ['other', 'clip', 1, 'is a "bert", which this exporter does not know: expected one of clip, chinese_clip, siglip'],
  ['no-projection', 'clip', 1, 'no weights for 1 of its parts (visual_projection.weight)'],
  ['no-tokenizer', 'clip', 1, 'no fast tokenizer'],
  ['no-preprocessor', 'clip', 1, "doesn't say how pictures are prepared"],
  ['too-large', 'clip', 1, 'vision_model_fp16.onnx gives NaN or infinity'],
  ['not-there', 'clip', 2, 'There is no folder'],
  ['siglip', 'blip', 1, 'is a "siglip", which this exporter does not know: expected one of blip'],
  ['blip-no-cross', 'blip', 1, 'layer.1.crossattention.self.query.weight'],
  ['blip-no-number', 'blip', 1, 'The decoder step by step is too far'],
  ['blip-too-large', 'blip', 1, 'vision_model_fp16.onnx gives NaN or infinity'],
] as const;
/** Ids of a caption after its first one, at most. */
const NEW_TOKENS = 16;
/** Choices that were closer than this may come out otherwise in a dtype. */
const CLOSE = { fp32: 0.001, fp16: 0.02, q8: 0.05 } as const satisfies Record<Dtype, number>;
const CONFIGS = ['config.json', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json'];

interface TorchValues {
  readonly pictures: readonly (readonly number[])[];
  readonly texts: readonly (readonly number[])[];
}

/** `margin`: by how much the likeliest id was ahead, at the closest step. */
interface TorchCaption {
  readonly ids: readonly number[];
  readonly text: string;
  readonly margin: number;
}

let root: string;
let python: string;
let torch: Readonly<Record<string, TorchValues>>;
let captions: readonly TorchCaption[];
let exports: Program;
let runner: Runner | undefined;
/** Exports are all begun before the tests, two at a time, since one is a single busy thread. */
const AT_A_TIME = 2;
/** What a disk that is full has room for. */
const FULL = [
  ['the tokenizer', 16],
  ['a graph', 128],
] as const;

beforeAll(async () => {
  python = await ensureExportPython();
  root = await mkdtemp(path.join(tmpdir(), 'clip-runner-export-'));
  ({ vectors: torch, captions } = await makeModels());
  // Any folder with a model will do as the older one, which --force replaces.
  for (const goal of [exported('clip-own-end'), ...FULL.map(([, kibibytes]) => tooSmall(kibibytes))])
    await cp(made('clip'), goal, { recursive: true });
  exports = exportMany([
    ...FAMILIES.map((model) => run(model, 'clip', [made(model), exported(model)])),
    run('blip', 'blip', [made('blip'), exported('blip')]),
    run('clip-own-end', 'clip', [
      ...[made('clip-own-end'), exported('clip-own-end'), '--force', '--dtype', 'fp32', '--external-data'],
    ]),
    ...FULL.map(([what, kibibytes]) => ({
      ...run(what, 'clip', [made('clip'), tooSmall(kibibytes), '--dtype', 'fp32', '--force']),
      mostFileBytes: kibibytes * 1024,
    })),
    ...REFUSED.map(([model, exporter]) =>
      run(`refused ${model}`, exporter, [made(model), path.join(root, 'refused', model, 'x'), '--dtype', 'fp16']),
    ),
  ]);
}, 2 * EXPORT_MS);
afterEach(() => runner?.stop());
afterAll(async () => {
  exports.child.kill('SIGKILL');
  await rm(root, { recursive: true, force: true });
});

const made = (model: string): string => path.join(root, 'models', model);
const exported = (model: string): string => path.join(root, 'exported', model);
const tooSmall = (kibibytes: number): string => path.join(root, `full-${kibibytes}`, 'x');

async function makeModels(): Promise<{ vectors: typeof torch; captions: typeof captions }> {
  const request = JSON.stringify({ pictures: PICTURES, texts: TEXTS, newTokens: NEW_TOKENS });
  const script = path.join(EXPORTER, 'test', 'make_models.py');
  const { ended, stdout, stderr } = await runPython([script, path.join(root, 'models'), request]);
  if (ended !== 0) throw new Error(`${script} ended with ${ended}:\n${stderr}`);
  return JSON.parse(stdout) as Awaited<ReturnType<typeof makeModels>>;
}

/** As a user does it. */
function exportModel(exporter: 'clip' | 'blip', ...args: string[]): Promise<Ending> {
  return runPython([path.join(EXPORTER, `export_${exporter}.py`), ...args]);
}

interface ExportRun {
  readonly name: string;
  readonly exporter: string;
  readonly args: readonly string[];
  /** No file can be larger than that: what writing to a full disk looks like from within. */
  readonly mostFileBytes?: number;
}

const run = (name: string, exporter: 'clip' | 'blip', args: readonly string[]): ExportRun => ({
  ...{ name, exporter: `export_${exporter}.py`, args },
});

/** The same in forks of a process that has imported torch, which takes longer than most of these runs. */
function exportMany(runs: readonly ExportRun[]): Program {
  return startPython([path.join(EXPORTER, 'test', 'run_many.py'), String(AT_A_TIME), JSON.stringify(runs)]);
}

/** How one of them has ended, as soon as it has. */
async function endingOf(name: string): Promise<Ending> {
  return JSON.parse(await exports.prints(new RegExp(`^\\{"name": "${name}",.*\n`, 'm'))) as Ending;
}

function runPython(args: readonly string[]): Promise<Ending> {
  return startPython(args).end();
}

function startPython(args: readonly string[]): Program {
  const cache = { HF_HUB_CACHE: path.join(root, 'hub') };
  // What is compiled once serves all, and nothing is left in the exporter's folder.
  const compiled = { PYTHONPYCACHEPREFIX: path.join(path.dirname(python), '..', 'compiled') };
  const env = plainEnvironment({ HF_HUB_OFFLINE: '1', ...compiled, ...cache });
  return new Program(python, args, { env, withinMs: EXPORT_MS });
}

/** Least cosine to torch over all pictures and texts, by the library as it is shipped. */
async function leastCosine(model: string, dtype: Dtype): Promise<number> {
  runner = createRunner({
    models: [{ label: model, name: exported(model) }],
    tasks: ['clip', 'text'],
    roots: [IMAGES],
    device: 'cpu',
    resample: 'exact',
    dtype,
  });
  await runner.start();
  const given = [...(await runner.embedImages(PICTURES)), ...(await runner.embedTexts(TEXTS))];
  const expected = [...torch[model]!.pictures, ...torch[model]!.texts];
  expect(given).toHaveLength(expected.length);
  return Math.min(...given.map((vector, index) => cosine(vector, expected[index]!)));
}

describe('the models of this test', () => {
  it('tell inputs apart, so that a mistake would show', () => {
    for (const { pictures, texts } of Object.values(torch)) {
      for (const vectors of [pictures, texts]) {
        const pairs = vectors.flatMap((one, index) => vectors.slice(index + 1).map((other) => cosine(one, other)));
        expect(Math.max(...pairs)).toBeLessThan(0.99);
      }
    }
  });
});

describe.each(FAMILIES)('a model of the family %s', (model) => {
  let ending: Ending;
  beforeAll(async () => {
    ending = await endingOf(model);
  }, EXPORT_MS);

  it('is exported in three dtypes, each compared with torch', () => {
    const graphs = ['vision_model', 'text_model'].flatMap((tower) =>
      ['', '_fp16', '_quantized'].map((suffix) => `${tower}${suffix}.onnx`),
    );
    expect(ending.stderr).toBe('');
    expect(ending.ended).toBe(0);
    const report = ending.stdout.trimEnd().split('\n');
    expect(report.map((line) => line.split(': ')[0])).toEqual([...graphs, `wrote ${exported(model)}`]);
    for (const line of report.slice(0, -1)) expect(line).toMatch(/least cosine (1\.0|0\.9)\d+, largest difference/);
    expect(readdirSync(exported(model)).sort()).toEqual([...CONFIGS, 'onnx'].sort());
    expect(readdirSync(path.join(exported(model), 'onnx')).sort()).toEqual(graphs.sort());
  });

  it.each(['fp32', 'fp16', 'q8'] as const)('gives the embeddings of torch when it runs here: %s', async (dtype) => {
    expect(await leastCosine(model, dtype)).toBeGreaterThanOrEqual(LEAST_COSINE[dtype]);
  });

  it('tells nothing of the machine that it was exported on', () => {
    for (const file of ['onnx/text_model.onnx', 'onnx/vision_model_quantized.onnx', ...CONFIGS]) {
      const content = readFileSync(path.join(exported(model), file), 'latin1');
      expect(content).not.toContain('site-packages');
      expect(content).not.toContain(root);
    }
  });
});

describe('the dtypes of an export', () => {
  it(
    'are all fit for use by the verdict of models verify --compare',
    async () => {
      await endingOf('siglip');
      const cli = path.join(ROOT, 'dist', 'cli.js');
      const flags = '--compare --json --dim 0 --device cpu'.split(' ');
      const args = [cli, 'models', 'verify', exported('siglip'), ...flags];
      const { ended, stdout, stderr } = await new Program(process.execPath, args, { withinMs: EXPORT_MS }).end();
      expect([ended, stderr]).toEqual([0, '']);
      const { rows } = (JSON.parse(stdout) as { models: [{ rows: PrecisionRow[] }] }).models[0];
      expect(rows.map(({ side, dtype }) => `${side} ${dtype}`)).toEqual(
        ['vision', 'text'].flatMap((side) => DTYPES.map((dtype) => `${side} ${dtype}`)),
      );
      for (const { side, dtype, verdict, fidelity, weights = [] } of rows) {
        const types = new Set(weights.filter(({ use }) => use === 'MatMul').map(({ type }) => type));
        expect({ side, dtype, types: [...types] }).toEqual({ side, dtype, types: [WEIGHTS[dtype]] });
        if (dtype === 'fp16') expect({ side, verdict }).toEqual({ side, verdict: 'equal' });
        expect(fidelity?.min ?? 1, `${side} ${dtype}`).toBeGreaterThanOrEqual(LEAST_COSINE[dtype]);
      }
    },
    EXPORT_MS,
  );
});

describe('a captioner', () => {
  const graphs = ['text_decoder_with_past_model', 'vision_model'];
  let ending: Ending;
  beforeAll(async () => {
    ending = await endingOf('blip');
  }, EXPORT_MS);

  it('is exported in three dtypes, each compared with torch', () => {
    expect(ending.stderr).toBe('');
    expect(ending.ended).toBe(0);
    expect(ending.stdout.trimEnd().split('\n')).toHaveLength(7);
    expect(readdirSync(exported('blip')).sort()).toEqual([...CONFIGS, 'onnx'].sort());
    expect(readdirSync(path.join(exported('blip'), 'onnx')).sort()).toEqual(
      graphs.flatMap((graph) => ['.onnx', '_fp16.onnx', '_quantized.onnx'].map((end) => `${graph}${end}`)).sort(),
    );
  });

  it.each([1, 4])("gives the ids of transformers' generate in batches of %i", async (batch) => {
    expect(new Set(captions.map(({ text }) => text)).size).toBeGreaterThan(3);
    const ids = await captionIds(exported('blip'), PICTURES, { maxNewTokens: NEW_TOKENS, batch });
    expect(ids).toEqual(captions.map((caption) => caption.ids));
  });

  it.each(['fp32', 'fp16', 'q8'] as const)("describes pictures as transformers' generate does: %s", async (dtype) => {
    runner = createRunner({
      ...{ models: [{ label: 'siglip', name: exported('siglip') }], tasks: ['clip', 'caption'], roots: [IMAGES] },
      ...{ captionModel: exported('blip'), captionMaxTokens: NEW_TOKENS, device: 'cpu', resample: 'exact', dtype },
    });
    await runner.start();
    const given = await runner.describeImages(PICTURES);
    const wanted = captions.map(({ text, margin }, index) => (margin > CLOSE[dtype] ? text : given[index]?.text));
    expect(wanted.filter((text) => text !== '').length).toBeGreaterThan(3);
    // Weights in eight bits change a sentence sooner or later; how it begins, they should not.
    const compared = (text = ''): string => (dtype === 'q8' ? (text.split(' ')[0] ?? '') : text);
    expect(given.map(({ text }) => compared(text))).toEqual(wanted.map(compared));
  });

  it(
    'goes where clip-runner looks for the name of a repository, if no folder is named',
    async () => {
      const hub = path.join(root, 'hub');
      const files = readdirSync(made('blip')).map(
        (name) => [name, readFileSync(path.join(made('blip'), name))] as const,
      );
      await putCommit(hub, 'someone/blip-tiny', 'c'.repeat(40), Object.fromEntries(files));
      const { ended, stdout, stderr } = await exportModel('blip', 'someone/blip-tiny', '--dtype', 'fp32');
      expect(stderr).toBe('');
      expect(ended).toBe(0);
      const model = await resolveCaptionModel('someone/blip-tiny', { cacheDir: hub, offline: true });
      expect(stdout).toContain(`wrote ${model.folder}`);
      const folder = await exportModel('blip', made('blip'));
      expect(folder.stderr).toContain('name the folder to make, too');
      expect(folder.ended).toBe(2);
    },
    EXPORT_MS,
  );
});

describe('a CLIP whose configuration names its own end token', () => {
  it(
    'pools there, also with its weights beside the graphs, and takes the place of an older folder',
    async () => {
      const { ended, stderr } = await endingOf('clip-own-end');
      expect(stderr).toBe('');
      expect(ended).toBe(0);
      expect(readdirSync(exported('clip-own-end')).sort()).toEqual([...CONFIGS, 'onnx'].sort());
      expect(readdirSync(path.join(exported('clip-own-end'), 'onnx')).sort()).toEqual([
        'text_model.onnx',
        'text_model.onnx_data',
        'vision_model.onnx',
        'vision_model.onnx_data',
      ]);
      expect(await leastCosine('clip-own-end', 'fp32')).toBeGreaterThanOrEqual(LEAST_COSINE.fp32);
    },
    EXPORT_MS,
  );
});

describe('weights', () => {
  it(
    'are the same in fp32 whether or not other dtypes are made of the same model',
    async () => {
      const { ended, stdout, stderr } = await exportModel(
        'clip',
        made('clip'),
        exported('clip-fp32'),
        '--dtype',
        'fp32',
      );
      expect(stderr).toBe('');
      expect(stdout).toContain(`wrote ${exported('clip-fp32')}`);
      expect(ended).toBe(0);
      await endingOf('clip');
      for (const graph of ['text_model.onnx', 'vision_model.onnx']) {
        const [alone, among] = ['clip-fp32', 'clip'].map((model) =>
          readFileSync(path.join(exported(model), 'onnx', graph)),
        );
        expect(alone!.equals(among!), graph).toBe(true);
      }
    },
    EXPORT_MS,
  );
});

describe('a disk that is full', () => {
  it.each(FULL)(
    'is one line and exit 1, nothing is left behind, and what was there stays: %s has no room',
    async (what, kibibytes) => {
      const { ended, stderr } = await endingOf(what);
      expect(stderr).toMatch(/^error: .*can't be written: File too large.*\n$/);
      expect(ended).toBe(1);
      expect(readdirSync(path.dirname(tooSmall(kibibytes)))).toEqual(['x']);
      expect(readdirSync(tooSmall(kibibytes))).toEqual(readdirSync(made('clip')));
    },
    EXPORT_MS,
  );
});

describe('what can not be exported', () => {
  it.each(REFUSED)(
    'is refused, and leaves nothing behind: %s',
    async (model, _, code, message) => {
      const { ended, stderr } = await endingOf(`refused ${model}`);
      expect(stderr).toContain(message);
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(ended).toBe(code);
      expect(readdirSync(path.join(root, 'refused', model))).toEqual([]);
    },
    EXPORT_MS,
  );

  it('is a goal that exists, or one that is forced and no model', async () => {
    const goal = made('other');
    const { ended, stderr } = await exportModel('clip', made('clip'), goal);
    expect(stderr).toContain('exists already');
    expect(ended).toBe(2);
    const forced = await exportModel('clip', made('clip'), path.join(root, 'models'), '--force');
    expect(forced.stderr).toContain("is not a model's folder");
    expect(forced.ended).toBe(2);
    expect(readdirSync(goal)).toEqual(['config.json']);
  });

  it('is an unknown dtype', async () => {
    const { ended, stderr } = await exportModel('clip', made('clip'), path.join(root, 'x'), '--dtype', 'int4');
    expect(stderr).toContain('int4');
    expect(ended).toBe(2);
  });
});
