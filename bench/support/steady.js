// What is measured lies between two moments of the same kind: the machine is as busy at the end as at the beginning.

/** Batches that clip-runner has in hand at most by default: so many are done before what is measured begins. */
export const WARM_UP_BATCHES = 4;
/** Batches that wait behind what is measured, for every side: more than clip-runner takes in hand, so that nothing runs dry. */
export const LEFT_OVER_BATCHES = 8;

/**
 * Photos per second of a loop in which the next batch is decoded while the model runs. Timed from the end of a run to the end
 * of another one, with one batch in decoding at both: as many are decoded as are run between them. `warmUp` and `count` are
 * rounded up to whole batches.
 * `decode(first)` resolves with a batch of photos from number `first` on, and `run(photos)` when the model has run.
 */
export async function measureLoop({ batch, warmUp, count, decode, run }) {
  const [before, measured] = [warmUp, count].map((photos) => Math.ceil(photos / batch) * batch);
  const end = before + measured;
  let startedAt = performance.now();
  let next = decode(0);
  for (let done = 0; done < end;) {
    const photos = await next;
    next = decode(done + batch);
    await run(photos);
    done += batch;
    if (done === before) startedAt = performance.now();
  }
  const rate = (measured / (performance.now() - startedAt)) * 1000;
  await next;
  return rate;
}
