import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentedBlocks, fateOf, isSettings } from '../support/doc-blocks.js';
import { TerminalLab } from '../support/terminal-lab.js';
import { until } from '../support/until.js';

const blocks = documentedBlocks();
/** The settings that the README begins with are those of all documents. */
const settings = blocks.find((block) => block.file === 'README.md' && isSettings(block))!.code;

const runs = blocks.flatMap((block) => {
  const fate = fateOf(block)?.[2];
  return fate !== undefined && 'run' in fate ? [{ ...block, fate, at: `${block.file}:${block.line}` }] : [];
});
const files = [...new Set(runs.map(({ file }) => file))];

let lab: TerminalLab;
beforeAll(async () => {
  lab = await TerminalLab.open();
});
afterAll(() => lab.close());

describe.each(files)('%s', (file) => {
  beforeAll(() => lab.begin());

  it.each(runs.filter((run) => run.file === file))('$at does what is said', async ({ at, code, fate }) => {
    lab.configure(settings);
    if (fate.run === 'module' || code.includes('CAPTION_MODEL_NAME')) lab.addModels();
    else lab.removeModels();
    if (fate.given !== undefined) expect(await lab.shell(fate.given), fate.given).toMatchObject({ ended: 0 });
    const { ended, stdout, stderr } =
      fate.run === 'shell' ? await lab.shell(code, fate.env) : await lab.module(code, fate.before, fate.after);
    const told = `${at} ended with ${ended}:\n${stdout}\n${stderr}\n${lab.logs()}`;
    expect(ended, told).toBe(0);
    expect(stdout, told).toMatch(fate.prints);
    if (fate.run === 'shell' && fate.delivers !== undefined) {
      const { delivers } = fate;
      await until(`the gallery has photo ${delivers}`, () => lab.gallery.callbacksFor(delivers).length > 0);
      expect(lab.gallery.callbacksFor(delivers)[0]?.body['embedding']).toHaveLength(64);
    }
  });
});
