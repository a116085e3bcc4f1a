// A task of one's own. The worker threads import this module by its URL; `deliver` runs in the main thread.

/** @type {import('clip-runner').Task} */
export default {
  name: 'average-color',
  input: 'image',
  module: import.meta.url,

  open() {
    return [{ label: 'mean', prepare: averageColor, run: (colors) => colors }];
  },

  deliver(color, job, unit) {
    return [
      {
        jobId: job.id,
        unit: `${unit.task}/${unit.label}`,
        path: `/api/internal/photos/${job.id}/ml_result`,
        body: { ml_result: { average_color: color }, processing_status: 'done' },
      },
    ];
  },
};

/** @param {import('clip-runner').Photo} photo */
function averageColor({ data, width, height }) {
  const sums = [0, 0, 0];
  for (let i = 0; i < data.length; i++) sums[i % 3] += data[i];
  return `#${sums
    .map((sum) =>
      Math.round(sum / (width * height))
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}
