export { createRunner, type EmbedOptions, type Runner } from './runner.js';
export type { RunnerOptions } from './options.js';
export type { TunableOptions } from './tunable-options.js';
export type { OcrOptions } from './ocr-options.js';
export type { IsolationOptions } from './isolation-options.js';
export type { RunnerEvents, EventName } from './events.js';
export type { LaneStats, ModelStats, QueueStats, RunnerStats } from './stats.js';
export { createMetrics, type Metrics, type MetricsOptions, type MetricsRegister } from './observe/metrics.js';
export { traceWithOpenTelemetry } from './observe/spans.js';
export type { Watched, WatchedQueue } from './observe/watched.js';
export type { JobTraceContext, StepTraceContext, TraceStep } from './tracing.js';
export type { ImageInput } from './direct.js';
export {
  RunnerError,
  ERROR_FACTS,
  type ErrorCode,
  type ErrorEnvelope,
  type RetryClass,
  type RunnerErrorOptions,
} from './errors.js';
export type { Delivery, Job, JobInput, JobType } from './job.js';
export type {
  CaptionModel,
  CaptionPrompt,
  CaptionSettings,
  ClipModel,
  Device,
  Dtype,
  FaceModel,
  FaceSettings,
  ImagePreprocess,
  Interpolation,
  ModelName,
  OcrModel,
  OcrSettings,
  RunnerModels,
  SentenceRules,
} from './model.js';
export type { Session, TensorData, TensorInfo } from './tensor.js';
export type {
  Photo,
  PixelNeed,
  PixelRegion,
  PreparedInput,
  Task,
  RunControl,
  OpenOptions,
  TaskContext,
  TaskUnit,
  UnitInfo,
} from './tasks/task.js';
export type { Caption } from './tasks/caption.js';
export type { Face } from './tasks/face/face.js';
export type { Box, Detection } from './tasks/face/detection.js';
export type { Point } from './tasks/image/point.js';
export type { FaceQuality } from './tasks/face/quality.js';
export type { TextLine } from './tasks/ocr/text-line.js';
export type { Corners } from './tasks/ocr/rectangle.js';
export type { Clock } from './clock.js';
export { redisQueue, type RedisQueueOptions } from './queue/redis.js';
export type { RedisToolOptions } from './queue/redis-options.js';
export {
  deadLetters,
  type DeadLetterEntry,
  type DeadLetterFilter,
  type DeadLetterProgress,
  type DeadLetterScanOptions,
  type DeadLetters,
  type DeadLettersOptions,
  type DeadLetterTakeOptions,
} from './queue/dead-letters.js';
export { memoryQueue, type MemoryQueue, type MemoryQueueOptions } from './queue/memory.js';
export type { Claim, Failure, Queue, QueueDepth, QueueEvent, QueueListener, RetryOutcome } from './queue/queue.js';
export { httpSink, type HttpSink, type HttpSinkOptions } from './sink/http.js';
export { memorySink, type MemorySink, type MemorySinkOptions } from './sink/memory.js';
export type { Sink } from './sink/sink.js';
export { hubOptionsFromEnv, type HubOptions } from './models/hub-options.js';
export { clusterFaces, type ClusterMethod, type ClusterOptions } from './album/cluster.js';
export type { FaceCluster, FaceEmbedding } from './album/face.js';
