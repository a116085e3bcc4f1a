// A minimal writer of ONNX files (protobuf), enough to make full-size models with random weights.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Makes a graph where its file isn't there yet. The file is there only when it is whole. Answers it. */
export function writeOnce(file, makeGraph) {
  if (existsSync(file)) return file;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, makeGraph());
  renameSync(`${file}.part`, file);
  return file;
}

const DATA_TYPE = { float32: 1, int32: 6, int64: 7, float16: 10 };

export class GraphWriter {
  #nodes = [];
  #initializers = [];
  #count = 0;
  #random;
  /** Of weights: `float32`, or `float16`. */
  type;

  constructor(seed, { isHalf = false } = {}) {
    this.type = isHalf ? 'float16' : 'float32';
    let state = seed >>> 0;
    // A small linear congruential generator: the numbers only have to be spread and the same every time.
    this.#random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32 - 0.5;
    };
  }

  /** A node with one or more outputs; answers their names. */
  node(type, inputs, { outputs = 1, ...attributes } = {}) {
    const names = Array.from({ length: outputs }, () => `v${this.#count++}`);
    this.#nodes.push([
      1,
      message(
        ...inputs.map((input) => [1, input]),
        ...names.map((name) => [2, name]),
        [4, type],
        ...Object.entries(attributes).map(([name, value]) => [5, attribute(name, value)]),
      ),
    ]);
    return outputs === 1 ? names[0] : names;
  }

  /** A weight of uniform random numbers with the standard deviation `std`. */
  weight(dims, std = 0.02, mean = 0) {
    const values = new Float32Array(dims.reduce((a, b) => a * b, 1));
    const width = std * Math.sqrt(12);
    for (let i = 0; i < values.length; i++) values[i] = this.#random() * width + mean;
    return this.#numbers(dims, values);
  }

  integers(values) {
    return this.#initializer('int64', [values.length], BigInt64Array.from(values.map(BigInt)));
  }

  floats(values) {
    return this.#numbers([values.length], Float32Array.from(values));
  }

  scalar(value) {
    return this.#numbers([], Float32Array.of(value));
  }

  #numbers(dims, values) {
    return this.#initializer(this.type, dims, this.type === 'float16' ? toHalf(values) : values);
  }

  #initializer(type, dims, values) {
    const name = `w${this.#count++}`;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push([5, message(...dims.map((dim) => [1, dim]), [2, DATA_TYPE[type]], [8, name], [9, bytes])]);
    return name;
  }

  /** The file. `inputs` and `outputs`: { name: { dims, type?, from? } }; a text as dimension is a free axis. */
  finish(inputs, outputs) {
    const renamed = Object.entries(outputs).map(([name, { from }]) => [
      1,
      message([1, from], [2, name], [4, 'Identity']),
    ]);
    const graph = message(
      ...this.#nodes,
      ...renamed,
      [2, 'bench'],
      ...this.#initializers,
      ...Object.entries(inputs).map(([name, info]) => [11, valueInfo(name, info)]),
      ...Object.entries(outputs).map(([name, info]) => [12, valueInfo(name, info)]),
    );
    return message([1, 8], [2, 'clip-runner bench'], [7, graph], [8, message([2, 17])]);
  }
}

/** The bits of each number in half precision, rounded to the nearest; what is too small becomes 0. */
function toHalf(values) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (single) => {
    const sign = (single >>> 16) & 0x8000;
    const rest = (single & 0x7fffffff) + 0x1000;
    return rest < 0x38800000 ? sign : sign | ((rest - 0x38000000) >>> 13);
  });
}

function valueInfo(name, { dims, type = 'float32' }) {
  const shape = message(...dims.map((dim) => [1, typeof dim === 'string' ? message([2, dim]) : message([1, dim])]));
  return message([1, name], [2, message([1, message([1, DATA_TYPE[type]], [2, shape])])]);
}

function attribute(name, value) {
  if (Array.isArray(value)) return message([1, name], ...value.map((item) => [8, item]), [20, 7]);
  if (Number.isInteger(value)) return message([1, name], [3, value], [20, 2]);
  const float = Buffer.alloc(4);
  float.writeFloatLE(value);
  return Buffer.concat([message([1, name]), Buffer.from([(2 << 3) | 5]), float, message([20, 1])]);
}

function message(...fields) {
  return Buffer.concat(
    fields.flatMap(([field, content]) => {
      if (typeof content === 'number') return [varint(field * 8), varint(content)];
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      return [varint(field * 8 + 2), varint(bytes.length), bytes];
    }),
  );
}

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
