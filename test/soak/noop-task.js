// A task that does nothing but to refuse what asks for it, and the jobs that ask for it.
import { RunnerError } from 'clip-runner';

/** @type {import('clip-runner').Task} */
export default {
  name: 'no-op',
  input: 'text',
  module: import.meta.url,

  open() {
    const prepare = (text) => {
      if (text === 'refuse') throw new RunnerError('RUN_BAD_OUTPUT', 'This job is meant to die.');
      return null;
    };
    return [{ label: 'nothing', prepare, run: (inputs) => inputs }];
  },

  deliver(_value, { id }) {
    return [{ jobId: id, unit: 'no-op/nothing', path: `/api/internal/photos/${id}/ml_result`, body: { id } }];
  },
};

/** @type {import('clip-runner').JobType} */
export const noOpJobs = {
  name: 'no-op',
  parse(text) {
    try {
      const { id, refuse } = JSON.parse(text);
      const input = { kind: 'text', text: refuse ? 'refuse' : 'do nothing' };
      return { type: 'no-op', id: String(id), tasks: ['no-op'], input, fields: {} };
    } catch (cause) {
      throw new RunnerError('JOB_INVALID', 'Expected JSON.', { cause });
    }
  },
};
