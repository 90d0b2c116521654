import { type ChunkInput, chunkBytes } from './chunk.ts'
import { aborted, PerigeeError } from './perigee-error.ts'

/** What one call of a bulk write may carry, and how many are in flight. */
export interface BulkLimits {
  readonly batchSize: number
  readonly batchBytesMax: number
  readonly concurrency: number
}

/**
 * Writes chunks in batches, several at a time, taking from the source no faster than they are acknowledged.
 *
 * Two chunks of one id keep their order: the later one waits until the earlier one is written.
 *
 * @param write one batch, whole or not at all.
 * @throws the first failure, once nothing is in flight any more.
 */
export async function bulkUpsert(
  source: Iterable<ChunkInput> | AsyncIterable<ChunkInput>,
  write: (batch: readonly ChunkInput[]) => Promise<void>,
  limits: BulkLimits,
  signal: AbortSignal | undefined,
): Promise<void> {
  const inFlight = new Set<Promise<void>>()
  const idsInFlight = new Set<string>()
  let failure: PerigeeError | undefined
  let batch = newBatch()

  const send = async () => {
    const { chunks, ids } = batch
    batch = newBatch()
    if (chunks.length === 0) return
    const overlaps = [...ids].some((id) => idsInFlight.has(id))
    while (inFlight.size > 0 && (overlaps || inFlight.size >= limits.concurrency))
      await Promise.race(inFlight)
    if (failure) throw failure
    for (const id of ids) idsInFlight.add(id)
    const sending: Promise<void> = write(chunks)
      .catch((error) => {
        failure ??= PerigeeError.from(error)
      })
      .finally(() => {
        inFlight.delete(sending)
        for (const id of ids) idsInFlight.delete(id)
      })
    inFlight.add(sending)
  }

  try {
    for await (const chunk of source) {
      if (signal?.aborted) throw aborted(signal)
      const size = chunkBytes(chunk)
      const full = batch.chunks.length >= limits.batchSize || batch.bytes + size > limits.batchBytesMax
      if (full || batch.ids.has(chunk.id)) await send()
      batch.chunks.push(chunk)
      batch.ids.add(chunk.id)
      batch.bytes += size
    }
    await send()
  } finally {
    await Promise.all(inFlight)
  }
  if (failure) throw failure
}

function newBatch(): { readonly chunks: ChunkInput[]; readonly ids: Set<string>; bytes: number } {
  return { chunks: [], ids: new Set(), bytes: 0 }
}
