/** A refusal of the server; its message is for people. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Calls the server; answers what it answers. @throws ApiError */
export async function call(address, { method = 'GET', body, headers = {}, signal } = {}) {
  const answer = await fetch(address, {
    method,
    signal,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const isJson = answer.headers.get('content-type')?.includes('json');
  const value = isJson ? await answer.json() : undefined;
  if (!answer.ok) throw new ApiError(answer.status, value?.error ?? answer.statusText);
  return value;
}

/** Sends a file; `onProgress` is told the share that has gone, 0 to 1. @throws ApiError */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    // fetch() does not tell how much has gone.
    const request = new XMLHttpRequest();
    request.open('POST', `/api/photos?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader('content-type', file.type.startsWith('image/') ? file.type : 'image/unknown');
    request.responseType = 'json';
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0));
    request.addEventListener('error', () => reject(new ApiError(0, '…')));
    request.addEventListener('load', () => {
      const { status, response } = request;
      if (status === 201) resolve(response);
      else reject(new ApiError(status, response?.error ?? String(status)));
    });
    request.send(file);
  });
}

/** One attempt at a search; resolves when the server has the result. `onSlow` is called where it takes long. */
export async function searchText({ query, limit, weights, signal, onSlow }) {
  const given = { image_weight: weights.image, caption_weight: weights.caption };
  let answer = await call('/api/search/text', { method: 'POST', body: { query, limit, ...given }, signal });
  const parameters = new URLSearchParams({ wait: '3000', ...given });
  while (answer.status === 'pending') {
    const next = await call(`/api/search/text/${answer.id}?${parameters}`, { signal });
    if (next.status === 'pending') onSlow();
    answer = next;
  }
  return answer.result;
}
