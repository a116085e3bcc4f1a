/** Builds protobuf messages by hand, so that tests can make ONNX files that no exporter would. */
export type Field = readonly [field: number, content: Uint8Array | string | number];

export function message(...fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([field, content]) => {
      if (typeof content === 'number') return Buffer.concat([varint(field * 8), varint(content)]);
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      return Buffer.concat([varint(field * 8 + 2), varint(bytes.byteLength), bytes]);
    }),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

/** A `TensorProto` whose weights are in the file `location`. */
export function externalTensor(location: string): Buffer {
  return message(
    [1, 4],
    [8, 'weights'],
    [13, message([1, 'location'], [2, location])],
    [13, message([1, 'offset'], [2, '0'])],
    [14, 1],
  );
}

/** A `ModelProto` whose graph has the given fields. */
export function model(...graph: readonly Field[]): Buffer {
  return message([1, 9], [2, 'a test'], [7, message(...graph)], [8, message([2, 17])]);
}

/** A model with one external tensor, as exporters write it. */
export function modelWithWeightsIn(location: string): Buffer {
  return model([1, message([1, 'x'], [4, 'Add'])], [5, externalTensor(location)]);
}
