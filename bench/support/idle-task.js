// A task without work, for a bench of what lies around it: jobs `{"id":"7"}`, no callbacks.

/** @type {import('clip-runner').JobType} */
export const idleJobs = {
  name: 'idle',
  parse(text) {
    const { id } = JSON.parse(text);
    return { type: 'idle', id, tasks: ['idle'], input: { kind: 'text', text: id }, fields: {} };
  },
};

/** @type {import('clip-runner').Task} */
export default {
  name: 'idle',
  input: 'text',
  module: import.meta.url,

  open() {
    return [{ label: 'idle', prepare: () => null, run: (inputs) => inputs }];
  },

  deliver() {
    return [];
  },
};
