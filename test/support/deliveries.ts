import type { Delivery } from '../../src/job.js';

/** The callback of one photo, as the clip task makes it. */
export function photoDelivery(jobId: string | number, values: readonly number[] = [0.6, 0.8]): Delivery {
  return {
    jobId: String(jobId),
    unit: 'clip/clip-test',
    path: `/api/internal/photos/${jobId}/ml_result`,
    body: { model: 'clip-test', modality: 'image', embedding: values, processing_status: 'done' },
  };
}
