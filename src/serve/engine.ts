import type { RunnerError } from '../errors.js';

/** One vector (L2-normalised, of the model's dimension) or failure per input, in order. */
export type Vectors = readonly (Float32Array | RunnerError)[];

/** What embeds; made of a runner by the command. */
export interface EmbedEngine {
  /** At least one; the first is used where a request names none. */
  readonly models: readonly ServedModel[];
  embedTexts(texts: readonly string[], label: string): Promise<Vectors>;
  /** Pictures as the bytes of their files. Missing where the service has no image side. */
  readonly embedImages?: (pictures: readonly Uint8Array[], label: string) => Promise<Vectors>;
  /** Inputs that make sense in there at a time, per kind: what runs and what is prepared. More wait in the service. */
  readonly capacity: { readonly texts: number; readonly images: number };
  /** Inputs of one request that may go to the engine together, per kind. */
  readonly maxBatch: { readonly texts: number; readonly images: number };
  /** Whether every model has passed its self-test, and the engine runs. */
  isReady(): boolean;
}

export interface ServedModel {
  readonly label: string;
  /** `owner/name` on a hub, taken for the label in requests; undefined for a folder. */
  readonly repository: string | undefined;
}
