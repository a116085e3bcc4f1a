import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { checkExternalFile, readExternalLocations } from '../../../src/models/external-data.js';
import { externalTensor, message, model, modelWithWeightsIn, type Field } from '../../support/onnx-bytes.js';
import { TINY_MODEL_FOLDER } from '../../support/tiny-model.js';

/** Written by Python's onnx 1.23 with `save_as_external_data`. */
const EXPORTED = Buffer.from(
  'CAk6kAEKDgoBeAoBdxIBeSIDQWRkEgFnKk0IAQiAEBABQgF3aiIKCGxvY2F0aW9uEhZ2aXNpb25fbW9kZWwub25ueF9kYXRhagsKBm9mZnNldBIBMGoOCgZsZW5ndGgSBDgxOTJwAVoVCgF4EhAKDggBEgoKAxIBbgoDCIAQYhUKAXkSEAoOCAESCgoDEgFuCgMIgBBCBAoAEBE=',
  'base64',
);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'external-data-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function locationsOf(bytes: Uint8Array): Promise<readonly string[]> {
  const file = join(folder, 'model.onnx');
  await writeFile(file, bytes);
  return readExternalLocations(file);
}

describe('readExternalLocations', () => {
  it('reads the file that an exporter put the weights in', async () => {
    expect(await locationsOf(EXPORTED)).toEqual(['vision_model.onnx_data']);
  });

  it('finds nothing in a graph that holds its own weights', () => {
    expect(readExternalLocations(join(TINY_MODEL_FOLDER, 'onnx/vision_model.onnx'))).toEqual([]);
  });

  it('names each file once, in the order of the graph', async () => {
    const tensors = ['b', 'a', 'b'].map((name): Field => [5, externalTensor(name)]);
    expect(await locationsOf(model(...tensors))).toEqual(['b', 'a']);
  });

  const attribute = (...fields: readonly Field[]): Field => [1, message([5, message(...fields)])];
  const places: Readonly<Record<string, Buffer>> = {
    'an attribute of a node': model(attribute([5, externalTensor('hidden')])),
    'a list of tensors of a node': model(attribute([10, externalTensor('hidden')])),
    'a sparse weight': model([15, message([1, externalTensor('hidden')])]),
    'the indices of a sparse weight': model([15, message([2, externalTensor('hidden')])]),
    'a sparse tensor of a node': model(attribute([22, message([1, externalTensor('hidden')])])),
    'a list of sparse tensors': model(attribute([23, message([2, externalTensor('hidden')])])),
    'a graph inside a node': model(attribute([6, message([5, externalTensor('hidden')])])),
    'a list of graphs': model(attribute([11, message([5, externalTensor('hidden')])])),
    'a graph in a graph in a node': model(
      attribute([6, message(attribute([6, message([5, externalTensor('hidden')])]))]),
    ),
    'a function': message([25, message([7, message([5, message([5, externalTensor('hidden')])])])]),
    "a function's default": message([25, message([11, message([5, externalTensor('hidden')])])]),
    'training information': message([20, message([1, message([5, externalTensor('hidden')])])]),
    'the second of two graph fields': message([7, message()], [7, message([5, externalTensor('hidden')])]),
  };
  for (const [place, bytes] of Object.entries(places)) {
    it(`finds weights in ${place}`, async () => {
      expect(await locationsOf(bytes)).toEqual(['hidden']);
    });
  }

  it('finds a location whose value stands before its key', async () => {
    const turnedRound = (location: string): Buffer => message([13, message([2, location], [1, 'location'])]);
    expect(await locationsOf(model([5, turnedRound('hidden')]))).toEqual(['hidden']);
    await expect(locationsOf(model([5, turnedRound('../secret')]))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  const bad = ['/etc/passwd', '../x', 'sub/x', '..', '.', '', 'C:\\x', 'C:x', '..\\x', 'a\0b', '*/_ORT_MEM_ADDR_/*'];
  for (const location of bad) {
    it(`security 8: refuses the location ${JSON.stringify(location)}`, async () => {
      await expect(locationsOf(modelWithWeightsIn(location))).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining('only names of files beside the graph') as string,
      });
    });
  }

  it('says that a Git LFS pointer is not the model', async () => {
    const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await expect(locationsOf(pointer)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('git lfs pull') as string,
    });
  });

  it('refuses an empty file', async () => {
    await expect(locationsOf(Buffer.alloc(0))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('refuses a file that was cut off', async () => {
    await expect(locationsOf(EXPORTED.subarray(0, -1))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('refuses a graph that is nested beyond measure', async () => {
    let graph = message();
    for (let depth = 0; depth < 200; depth++) graph = message([1, message([5, message([6, graph])])]);
    await expect(locationsOf(message([7, graph]))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('skips weights of gigabytes without reading them', async () => {
    // A sparse file: 3 GB that take no room.
    const file = join(folder, 'large.onnx');
    const weights = 3 * 1024 ** 3;
    const tail = message([5, externalTensor('after')]);
    const rawTag = Buffer.concat([Buffer.from([9 * 8 + 2]), lengthOf(weights)]);
    const tensor = Buffer.concat([Buffer.from([5 * 8 + 2]), lengthOf(weights + rawTag.length), rawTag]);
    const head = Buffer.concat([Buffer.from([7 * 8 + 2]), lengthOf(tensor.length + weights + tail.length), tensor]);
    const handle = await open(file, 'w');
    await handle.write(head, 0, head.length, 0);
    await handle.write(tail, 0, tail.length, head.length + weights);
    await handle.close();
    const before = process.memoryUsage().arrayBuffers;
    expect(readExternalLocations(file)).toEqual(['after']);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 ** 2);
  });

  it('answers or refuses any bytes with an error of its own', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const result = await locationsOf(Buffer.concat([modelWithWeightsIn('x'), bytes])).catch(
          (error: unknown) => error,
        );
        expect(Array.isArray(result) || (result instanceof RunnerError && result.code === 'MODEL_INVALID')).toBe(true);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('checkExternalFile', () => {
  it('accepts a file in the folder', async () => {
    await writeFile(join(folder, 'x'), 'weights');
    await checkExternalFile(join(folder, 'x'), folder);
  });

  it('accepts a link into the blobs of a cached repository', async () => {
    const snapshot = join(folder, 'models--a--b', 'snapshots', 'c');
    await mkdir(join(snapshot, 'onnx'), { recursive: true });
    await mkdir(join(folder, 'models--a--b', 'blobs'));
    await writeFile(join(folder, 'models--a--b', 'blobs', 'hash'), 'weights');
    await symlink('../../../blobs/hash', join(snapshot, 'onnx', 'x'));
    await checkExternalFile(join(snapshot, 'onnx', 'x'), snapshot);
  });

  it('security 8: refuses a link that leads out of the folder', async () => {
    await mkdir(join(folder, 'model'));
    // A folder beside it whose name begins the same.
    await mkdir(join(folder, 'model-evil'));
    await writeFile(join(folder, 'model-evil', 'secret'), 'secret');
    await symlink('../model-evil/secret', join(folder, 'model', 'x'));
    await expect(checkExternalFile(join(folder, 'model', 'x'), join(folder, 'model'))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('leads out') as string,
    });
  });

  it('refuses a folder, and a file that is not there', async () => {
    await mkdir(join(folder, 'x'));
    await expect(checkExternalFile(join(folder, 'x'), folder)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(checkExternalFile(join(folder, 'y'), folder)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });
});

/** A varint of five bytes, so that lengths don't depend on each other. */
function lengthOf(value: number): Buffer {
  const digits = [0, 1, 2, 3, 4].map((place) => Math.floor(value / 128 ** place) % 128);
  return Buffer.from(digits.map((digit, place) => (place < 4 ? digit | 0x80 : digit)));
}
