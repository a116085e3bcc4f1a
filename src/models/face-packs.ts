import { DOUBTFUL_LICENCE, INSIGHTFACE_LICENCE } from '../licence.js';

/** Where a pack of a face detector and a recogniser comes from. */
export interface FacePack {
  /** Repositories with the two graphs; mostly one and the same. */
  readonly detection: string;
  readonly recognition: string;
  /** Name of the pack's folder below insightface's own (`~/.insightface/models`), where it is one of insightface's. */
  readonly folder?: string;
  /** SPDX identifier of the weights' licence, or `LicenseRef-...` where it has none. */
  readonly licence?: string;
}

const insightface = (name: string): FacePack => ({
  detection: `immich-app/${name}`,
  recognition: `immich-app/${name}`,
  folder: name,
  licence: INSIGHTFACE_LICENCE,
});

const PACKS: Readonly<Record<string, FacePack>> = {
  buffalo_l: insightface('buffalo_l'),
  buffalo_m: insightface('buffalo_m'),
  buffalo_s: insightface('buffalo_s'),
  antelopev2: insightface('antelopev2'),
  'yunet-sface': {
    detection: 'opencv/face_detection_yunet',
    recognition: 'opencv/face_recognition_sface',
    licence: 'MIT AND Apache-2.0',
  },
};

/** Finds a pack by its name; any other `owner/name` is a repository with both graphs. */
export function lookUpFacePack(name: string): FacePack {
  const known = name.replace(/^immich-app\//, '');
  return Object.hasOwn(PACKS, known) ? (PACKS[known] as FacePack) : { detection: name, recognition: name };
}

/** Finds the pack that a repository is a part of. */
export function facePackOf(repository: string): FacePack | undefined {
  return Object.values(PACKS).find(
    ({ detection, recognition }) => detection === repository || recognition === repository,
  );
}

/** Whether a name stands for a pack. */
export function isFacePack(name: string): boolean {
  return lookUpFacePack(name).licence !== undefined;
}

/** The names that stand for a pack, for messages. */
export const FACE_PACK_NAMES: readonly string[] = Object.keys(PACKS);

/** Names of a part's graph, the first kind that is there is taken: immich's, insightface's, OpenCV's. */
const NAMES = {
  detection: [/^detection\/model\.onnx$/, /^(?:det_|scrfd_)[\w.-]*\.onnx$/, /^face_detection_yunet_\w*\.onnx$/],
  recognition: [
    /^recognition\/model\.onnx$/,
    /^(?:w600k_|glintr|arcface)[\w.-]*\.onnx$/,
    /^face_recognition_sface_\w*\.onnx$/,
  ],
} as const;

export type FacePart = keyof typeof NAMES;
export const FACE_PARTS = ['detection', 'recognition'] as const satisfies readonly FacePart[];

/** The graph of a part among the files of a folder or repository; the newest of OpenCV's, and none that is quantised. */
export function findFaceGraph(files: ReadonlySet<string>, part: FacePart): string | undefined {
  const usable = [...files].filter((path) => !/_int8/.test(path)).sort();
  return NAMES[part].flatMap((name) => usable.findLast((path) => name.test(path)) ?? []).at(0);
}

/** What a folder must hold, for messages. */
export const EXPECTED_FACE_FILES = {
  detection:
    'detection/model.onnx (or a name of insightface: det_*.onnx, scrfd_*.onnx; or face_detection_yunet_*.onnx)',
  recognition:
    'recognition/model.onnx (or w600k_*.onnx, glintr*.onnx, arcface*.onnx; or face_recognition_sface_*.onnx)',
} as const;

/** The licence of insightface's weights, where these are theirs by the names of the files; AuraFace has some of them, too. */
export function insightfaceLicence(graphs: Iterable<string>): string | undefined {
  const names = [...graphs];
  if (names.some((path) => /^(?:det_(?:10g|2\.5g|500m)|w600k_)/.test(path))) return INSIGHTFACE_LICENCE;
  return names.some((path) => /^(?:scrfd_10g_bnkps|glintr100)\./.test(path)) ? DOUBTFUL_LICENCE : undefined;
}
