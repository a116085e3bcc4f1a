import { choice, share, text, variable, whole, wholeOrNone, yesOrNo, type Variable } from './variable.js';

/** The settings of faces: the model, and how it looks for them. */
export const FACE_FINDING_VARIABLES = {
  faceEnabled: variable(
    'FACE_ENABLED',
    'faces',
    'auto',
    choice(['auto', '1', '0']),
    'find faces (auto: where FACE_MODEL_NAME is set, or buffalo_l is on this machine)',
  ),
  faceModel: variable('FACE_MODEL_NAME', 'face-model', 'buffalo_l', text, 'face pack, repository or folder'),
  faceLabel: variable(
    'PROCESSING_DEFAULT_FACE_MODEL',
    'face-label',
    'arcface-buffalo_l',
    text,
    'label of the face model',
  ),
  faceDim: variable(
    'PROCESSING_FACE_EMBEDDING_DIM',
    'face-dim',
    '512',
    whole(0),
    'length of face embeddings that the server takes (0: any)',
  ),
  faceThreshold: variable('FACE_THRESHOLD', 'face-threshold', '0.5', share, 'the least score of a face'),
  faceNms: variable('FACE_NMS', 'face-nms', '0.4', share, 'overlap from which on two detections are one face'),
  faceSize: variable(
    'FACE_SIZE',
    'face-size',
    '',
    wholeOrNone(64),
    'side of the square that the detector sees (default: 640, or the side that its graph fixes)',
  ),
  maxFacesPerPhoto: variable('FACE_MAX_PER_PHOTO', 'max-faces', '200', whole(1), 'of more faces the best are kept'),
  faceExtras: variable('FACE_EXTRAS', 'face-extras', '0', yesOrNo, 'post landmarks, score and quality of faces, too'),
  faceLadder: variable(
    'FACE_LADDER',
    'face-ladder',
    '0',
    yesOrNo,
    'look again, smaller and turned, where no face was found or one fills the photo',
  ),
  faceDecode: variable(
    'FACE_DECODE',
    'face-decode',
    'full',
    choice(['full', 'reduced']),
    'reduced: large JPEGs may be shrunk while decoding; faster, and almost the same faces',
  ),
} as const satisfies Record<string, Variable<unknown>>;
