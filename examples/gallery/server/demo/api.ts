/** Calls the gallery as a user's tool does. Bytes are sent as a picture, anything else as JSON. */
export async function callApi(
  url: string,
  token: string,
  address: string,
  { body }: { readonly body?: unknown } = {},
): Promise<unknown> {
  const isPicture = Buffer.isBuffer(body);
  const answer = await fetch(`${url}${address}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': isPicture ? 'image/jpeg' : 'application/json' }),
    },
    ...(body !== undefined && { body: isPicture ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${address.split('?')[0] ?? ''} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
