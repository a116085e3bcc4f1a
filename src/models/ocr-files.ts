import { readFile } from 'node:fs/promises';
import { walkProtobuf, type MessageShape } from './protobuf.js';

/** Names of a part's file, the first kind that is there is taken: immich's, then PaddleOCR's and those of its exports. */
const NAMES = {
  detection: [/^detection\/model\.onnx$/, /^[\w.-]*det[\w.-]*\.onnx$/i],
  recognition: [/^recognition\/model\.onnx$/, /^[\w.-]*rec[\w.-]*\.onnx$/i],
  orientation: [/^[\w.-]*cls[\w.-]*\.onnx$/i],
  characters: [/^(?:recognition\/)?[\w.-]*(?:keys|dict|charset)[\w.-]*\.txt$/i],
} as const;

export type OcrPart = keyof typeof NAMES;

/** What a folder must hold, for messages. */
export const EXPECTED_OCR_FILES = {
  detection: 'detection/model.onnx (or *det*.onnx)',
  recognition: 'recognition/model.onnx (or *rec*.onnx)',
  characters: '*keys*.txt, *dict*.txt or *charset*.txt (or a list named "character" in the metadata of the graph)',
} as const;

/** The file of a part among those of a folder or repository; the last by name where several are of its kind. */
export function findOcrFile(files: ReadonlySet<string>, part: OcrPart): string | undefined {
  const sorted = [...files].sort();
  return NAMES[part].flatMap((name) => sorted.findLast((path) => name.test(path)) ?? []).at(0);
}

/** One character a line. A line may be a space of any kind, so nothing is trimmed. */
export async function readCharacters(file: string): Promise<readonly string[]> {
  return splitLines(await readFile(file, 'utf8'));
}

/** `StringStringEntryProto` in `ModelProto.metadata_props`. */
const ENTRY: MessageShape = { 1: 'text', 2: 'text' };
const MODEL: MessageShape = { 14: () => ENTRY };
const LIMITS = { maxTextBytes: 4 * 1024 * 1024, maxDepth: 4 };

/**
 * The characters that a graph has in its own metadata, as some exports do.
 * @throws RunnerError `MODEL_INVALID` when the file isn't ONNX
 */
export function readGraphCharacters(file: string): readonly string[] | undefined {
  let found: string | undefined;
  let entry: Record<number, string> = {};
  const visitor = {
    text: (text: string, field: number) => (entry[field] = text),
    end(shape: MessageShape) {
      if (shape === ENTRY && entry[1] === 'character') found = entry[2];
      if (shape === ENTRY) entry = {};
    },
  };
  walkProtobuf(file, MODEL, visitor, LIMITS);
  return found === undefined ? undefined : splitLines(found);
}

function splitLines(text: string): readonly string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}
