// The face pack that a bench is told, in the two layouts that the sides want.
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { makeResnet50 } from './resnet.js';
import { makeScrfd } from './scrfd.js';

const MADE = 'a made SCRFD-10g, which finds no face anywhere, and a made ResNet-50, which so has nothing to do';
const NAMES = { detection: /^(?:det_|scrfd_)[\w.-]*\.onnx$/, recognition: /^(?:w600k_|glintr|arcface)[\w.-]*\.onnx$/ };

/**
 * Links to a pack's graphs: `folder` with `detection/model.onnx` and `recognition/model.onnx`, `flat` with both side by
 * side, as insightface has them. With BENCH_RECOGNISER=resnet50 a made recogniser of that size takes the pack's place. Where
 * none is given, both are made, of the sizes of `buffalo_l`'s, and `findsFaces` is false. Ends the process where there is no pack.
 */
export function linkPack(given, cache) {
  const source = path.resolve(given ?? '');
  const findsFaces = given !== undefined;
  const isMade = !findsFaces || process.env.BENCH_RECOGNISER === 'resnet50';
  const detection = findsFaces ? findGraph(source, 'detection') : makeScrfd(cache);
  const recognition = isMade ? makeResnet50(cache) : findGraph(source, 'recognition');
  if (detection === undefined || recognition === undefined) {
    console.error(
      `Expected the folder of a face pack as argument (${given} is none): insightface's, such as ` +
        '~/.insightface/models/buffalo_l, or one with detection/model.onnx and recognition/model.onnx.',
    );
    process.exit(2);
  }
  const folder = path.join(cache, 'face-pack');
  rmSync(folder, { recursive: true, force: true });
  for (const [place, file] of [
    ['parts/detection/model.onnx', detection],
    ['parts/recognition/model.onnx', recognition],
    ['flat/detection.onnx', detection],
    ['flat/recognition.onnx', recognition],
  ]) {
    mkdirSync(path.dirname(path.join(folder, place)), { recursive: true });
    symlinkSync(file, path.join(folder, place));
  }
  return {
    title: findsFaces ? `${source}${isMade ? ' with a made ResNet-50 as recogniser' : ''}` : MADE,
    findsFaces,
    folder: path.join(folder, 'parts'),
    flat: path.join(folder, 'flat'),
  };
}

function findGraph(folder, part) {
  const own = path.join(folder, part, 'model.onnx');
  if (existsSync(own)) return own;
  const name = existsSync(folder) ? readdirSync(folder).find((entry) => NAMES[part].test(entry)) : undefined;
  return name === undefined ? undefined : path.join(folder, name);
}
