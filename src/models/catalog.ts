import type { LayoutName } from './layouts.js';

/** Where the ONNX files of a model are that is mostly asked for by another name. */
interface CatalogEntry {
  /** The name asked for, or that of the repository with the files. */
  readonly asked: RegExp;
  /** The repository with the files; `$1` is the first group of `asked`. */
  readonly repository: string;
  readonly layout: LayoutName;
  /** SPDX identifier of the weights' licence as their authors state it; absent where it isn't known. */
  readonly licence?: string;
}

/** The first entry that fits is taken. Names are those of the hub; case counts. */
const CATALOG = [
  {
    asked: /^(?:openai|Xenova)\/(clip-vit-(?:base-patch32|base-patch16|large-patch14|large-patch14-336))$/,
    repository: 'Xenova/$1',
    layout: 'split',
    licence: 'MIT',
  },
  {
    asked: /^(?:OFA-Sys|Xenova)\/(chinese-clip-vit-[\w-]+)$/,
    repository: 'Xenova/$1',
    layout: 'joint',
  },
  {
    asked: /^(?:google|onnx-community)\/(siglip2-[\w-]+?)(?:-ONNX)?$/,
    repository: 'onnx-community/$1-ONNX',
    layout: 'split',
    licence: 'Apache-2.0',
  },
  {
    asked: /^(?:google|Xenova)\/(siglip-[\w-]+)$/,
    repository: 'Xenova/$1',
    layout: 'split',
    licence: 'Apache-2.0',
  },
  {
    asked: /^(?:immich-app\/)?([\w.-]+__(?:openai|laion[\w.-]+))$/,
    repository: 'immich-app/$1',
    layout: 'immich',
    licence: 'MIT',
  },
  {
    asked: /^(?:immich-app\/)?(ViT-[\w-]+-SigLIP2?[\w-]*__webli)$/,
    repository: 'immich-app/$1',
    layout: 'immich',
    licence: 'Apache-2.0',
  },
  {
    asked: /^(?:immich-app\/)?(nllb-clip-[\w.-]+)$/,
    repository: 'immich-app/$1',
    layout: 'immich',
    licence: 'CC-BY-NC-4.0',
  },
  {
    asked: /^(?:immich-app\/)?((?:XLM-Roberta|LABSE)-[\w.-]+|(?:ViT|RN)[\w.-]+__[\w.-]+)$/,
    repository: 'immich-app/$1',
    layout: 'immich',
  },
] as const satisfies readonly CatalogEntry[];

export interface CatalogHit {
  /** The repository that holds the files. */
  readonly repository: string;
  /** How its files lie, as far as it is known before they are listed. */
  readonly layout: LayoutName;
  readonly licence?: string;
}

/** Finds the repository with a model's ONNX files; a name that the table doesn't know is used as it is. */
export function lookUpModel(name: string): CatalogHit {
  const entry: CatalogEntry | undefined = CATALOG.find(({ asked }) => asked.test(name));
  if (entry === undefined) return { repository: name, layout: 'split' };
  const { asked, repository, layout, licence } = entry;
  return { repository: name.replace(asked, repository), layout, ...(licence === undefined ? {} : { licence }) };
}
