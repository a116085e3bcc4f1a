/** What the stages share about models: plain data that crosses threads. */

/** Precision of a model's weights; picks its file. Vectors are 32-bit floats whatever it is. */
export type Dtype = 'fp32' | 'fp16' | 'q8';
export const DTYPES: readonly Dtype[] = ['fp32', 'fp16', 'q8'];

/** Where a model runs; `auto` takes the best that this machine has. */
export type Device = 'auto' | 'cpu' | 'cuda' | 'dml' | 'coreml' | 'webgpu';
export const DEVICES: readonly Device[] = ['auto', 'cpu', 'cuda', 'dml', 'coreml', 'webgpu'];

/** A model as the user names it. */
export interface ModelName {
  /** The label that the gallery stores beside each embedding, e.g. `clip-ViT-L-14`. */
  readonly label: string;
  /** A hub repository (`openai/clip-vit-large-patch14`) or a local folder (`./models/x`). */
  readonly name: string;
}

/** Kernel of the resizing, as PIL defines it. */
export type Interpolation = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos';

/** How pixels become the tensor that a vision graph wants; read from the model's own configuration. */
export interface ImagePreprocess {
  /**
   * `shortest`: the shorter side becomes `size`, then the centre `crop` is cut out.
   * `squash`: both sides become `crop`, whatever the picture's shape.
   */
  readonly mode: 'shortest' | 'squash';
  /** Pixels of the shorter side after resizing; unused for `squash`. */
  readonly size: number;
  /** The tensor's width and height in pixels. */
  readonly crop: { readonly width: number; readonly height: number };
  readonly interpolation: Interpolation;
  /** Multiplied with each 8-bit value before mean and standard deviation; usually 1/255. */
  readonly rescale: number;
  /** Per channel, RGB. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** A CLIP-like model whose files lie on this machine. */
export interface ClipModel {
  readonly label: string;
  /** As the user named it; sent as `ml_result.model_name`. */
  readonly name: string;
  /** Where its files are. */
  readonly folder: string;
  readonly dtype: Dtype;
  /** Absolute path of the vision graph; undefined where the runner has no task that reads pictures. */
  readonly visionFile?: string;
  /** Absolute path of the text graph, where the model has one. */
  readonly textFile?: string;
  /** Absolute path of the folder with `tokenizer.json`, where the model has one. */
  readonly tokenizerFolder?: string;
  /** Rows of the text graph's table of ids, where the graph shows it. */
  readonly vocabularySize?: number;
  /** How its pictures are prepared; there wherever `visionFile` is. */
  readonly preprocess?: ImagePreprocess;
  /** SPDX-like licence as far as it is known. */
  readonly licence?: string;
}

/** A face detector with the recogniser that goes with it, whose files lie on this machine. */
export interface FaceModel {
  /** As the user named it. */
  readonly name: string;
  /** Absolute path of the detector's graph (SCRFD or YuNet). */
  readonly detectionFile: string;
  /** Side of the square pictures that the detector takes, in pixels, where its graph fixes it. */
  readonly detectionSide?: number;
  /** Absolute path of the recogniser's graph (ArcFace, SFace or alike). */
  readonly recognitionFile: string;
  /**
   * What the recogniser takes, RGB either way. `centred`: (value - 127.5) / 127.5; `raw`: 0 to 255, as its graph centres
   * them itself.
   */
  readonly recognitionPixels: 'centred' | 'raw';
  /** SPDX-like licence as far as it is known. */
  readonly licence?: string;
}

/** What the task `face` is to do. */
export interface FaceSettings {
  readonly model: FaceModel;
  /** Stored beside each face by the gallery, e.g. `arcface-buffalo_l`. */
  readonly label: string;
  /** The least score of a face. */
  readonly threshold: number;
  /** Overlap (intersection over union) from which on two detections are one face. */
  readonly maxOverlap: number;
  /** Side of the square that the detector sees, in pixels. */
  readonly size: number;
  /** The best are kept. */
  readonly maxPerPhoto: number;
  /** Whether callbacks have landmarks, score and quality, too. */
  readonly extras: boolean;
  /** Whether photos without a face, or with one that fills them, are looked at again, smaller and turned. */
  readonly ladder: boolean;
  /** Whether a large JPEG may be shrunk while it is decoded. */
  readonly decode: 'full' | 'reduced';
}

/** A captioner whose files lie on this machine: an image encoder, and a decoder with a key/value cache. */
export interface CaptionModel {
  /** As the user named it. */
  readonly name: string;
  /** Where its files are. */
  readonly folder: string;
  readonly dtype: Dtype;
  /** Absolute path of the graph that takes pictures. */
  readonly encoderFile: string;
  /** Absolute path of the decoder's graph. */
  readonly decoderFile: string;
  /** Where it is asked in words. */
  readonly prompt?: CaptionPrompt;
  /** Absolute path of the folder with `tokenizer.json`. */
  readonly tokenizerFolder: string;
  readonly preprocess: ImagePreprocess;
  /** The id that a sentence begins with. */
  readonly startId: number;
  /** The id that ends one. */
  readonly endId: number;
  /** Ids that its decoder reads at most, the first included. */
  readonly maxPositions: number;
  readonly rules: SentenceRules;
  /** SPDX-like licence as far as it is known. */
  readonly licence?: string;
}

/** What a captioner that is asked in words, such as Florence-2, has besides the graphs of others. */
export interface CaptionPrompt {
  /** E.g. `What does the image describe?`. */
  readonly text: string;
  /** Absolute path of the graph with the table of ids, for the prompt and for the decoder. */
  readonly embedderFile: string;
  /** Absolute path of the graph that reads a picture's features with the prompt behind them. */
  readonly encoderFile: string;
}

/** What a model's `generation_config.json` wants of each of its sentences, as transformers' `generate` keeps it. */
export interface SentenceRules {
  /** The id after the one that a sentence begins with (`forced_bos_token_id`). */
  readonly firstId?: number;
  /** The id that a sentence has at the limit (`forced_eos_token_id`). */
  readonly lastId?: number;
  /** No run of so many ids comes twice in a sentence (`no_repeat_ngram_size`); 0: any may. */
  readonly noRepeatSize: number;
}

/** What the task `caption` is to do. */
export interface CaptionSettings {
  readonly model: CaptionModel;
  /** Ids of a sentence at most. */
  readonly maxNewTokens: number;
}

/** PP-OCR's graphs, whose files lie on this machine. */
export interface OcrModel {
  /** As the user named it. */
  readonly name: string;
  /** Absolute path of the detector's graph (DBNet). */
  readonly detectionFile: string;
  /** Absolute path of the graph that reads lines. */
  readonly recognitionFile: string;
  /** Absolute path of the graph that tells lines upside down, where the model has one. */
  readonly orientationFile?: string;
  /** What the reading graph's classes stand for, from the second class on. */
  readonly characters: readonly string[];
}

/** What the task `ocr` is to do. */
export interface OcrSettings {
  readonly model: OcrModel;
  readonly label: string;
  /** The least confidence of a line. */
  readonly threshold: number;
  /** The least score of a place where a line is looked for. */
  readonly boxThreshold: number;
  /** Longer side in pixels at which text is looked for and read. */
  readonly size: number;
  /** Lines; the best are read. */
  readonly maxPerPhoto: number;
}

/** The models of one runner, as its threads load them. */
export interface RunnerModels {
  /** The CLIP models, in the user's order. */
  readonly clipModels: readonly ClipModel[];
  /** Where the runner has the task `face`. */
  readonly faces?: FaceSettings;
  /** Where the runner has the task `caption`. */
  readonly captions?: CaptionSettings;
  /** Where the runner has the task `ocr`. */
  readonly ocr?: OcrSettings;
}
