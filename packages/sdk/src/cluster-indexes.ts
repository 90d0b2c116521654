import { create } from '@bufbuild/protobuf'
import { ClusterService, RebuildIndexRequestSchema, VerifyIndexRequestSchema } from '@perigee/protocol'
import type { ClusterOptions } from './cluster.ts'
import type { Failover } from './failover.ts'
import { type RegionalIndex, regionalIndexFromWire } from './index-definition.ts'

const methods = ClusterService.method

/** Which index. */
export interface IndexCareOptions extends ClusterOptions {
  /** Default: `default`. */
  readonly namespace?: string | undefined
}

/** How to verify. */
export interface VerifyIndexOptions extends IndexCareOptions {
  /** Mends what differs. Default: false. */
  readonly repair?: boolean | undefined
}

/** What a comparison of a region's index with its chunks has found so far. */
export interface IndexFindings {
  /** Chunks compared. */
  readonly checked: number
  /** Chunks that the index lacks. */
  readonly missing: number
  /** Of another version in the index. */
  readonly outdated: number
  /** In the index without a chunk. */
  readonly orphaned: number
  /** Of those three, how many were mended. */
  readonly repaired: number
  /** True of the last one. */
  readonly done: boolean
}

interface Caller {
  readonly failover: Failover
  readonly defaultTimeoutMs: number
}

/** The calls behind `Cluster.verifyIndex`. */
export async function* verifyIndex(
  { failover, defaultTimeoutMs }: Caller,
  index: string,
  options: VerifyIndexOptions,
): AsyncGenerator<IndexFindings, void, undefined> {
  const { namespace = 'default', repair = false, timeoutMs = Number.POSITIVE_INFINITY } = options
  const request = create(VerifyIndexRequestSchema, { namespace, index, repair })
  const settings = { ...options, timeoutMs }
  for await (const found of failover.serverStream(methods.verifyIndex, request, settings, defaultTimeoutMs)) {
    const { checked, missing, outdated, orphaned, repaired, done } = found
    const counts = { checked, missing, outdated, orphaned, repaired }
    const numbers = Object.entries(counts).map(([name, count]) => [name, Number(count)])
    yield { ...(Object.fromEntries(numbers) as Omit<IndexFindings, 'done'>), done }
  }
}

/** The calls behind `Cluster.rebuildIndex`. */
export async function* rebuildIndex(
  { failover, defaultTimeoutMs }: Caller,
  index: string,
  options: IndexCareOptions,
): AsyncGenerator<RegionalIndex, void, undefined> {
  const { namespace = 'default', timeoutMs = Number.POSITIVE_INFINITY } = options
  const request = create(RebuildIndexRequestSchema, { namespace, index })
  const settings = { ...options, timeoutMs }
  const answers = failover.serverStream(methods.rebuildIndex, request, settings, defaultTimeoutMs)
  for await (const { index: state } of answers) if (state) yield regionalIndexFromWire(state)
}
