import { create } from '@bufbuild/protobuf'
import { ClusterService, PromoteRequestSchema } from '@perigee/protocol'
import type { ClusterOptions } from './cluster.ts'
import { durationMs } from './duration.ts'
import type { Failover } from './failover.ts'

/** How to promote. */
export interface PromoteOptions extends ClusterOptions {
  /**
   * Promote though writes may be lost: the primary can't be reached, or another region holds more. Sessions that saw what is
   * lost are told, `LOST_HISTORY`. Default: false, which fails with `WOULD_LOSE_WRITES` instead.
   */
  readonly force?: boolean | undefined
}

/** What a promotion has done. */
export interface PromotionStep {
  readonly step: string
  /** True of the last one. */
  readonly done: boolean
  /** Of the claim; 0 until done. */
  readonly epoch: number
  /** In milliseconds, so far. */
  readonly tookMs: number
}

/** The call behind `Cluster.promote`. */
export async function* promote(
  { failover, defaultTimeoutMs }: { readonly failover: Failover; readonly defaultTimeoutMs: number },
  region: string,
  options: PromoteOptions,
): AsyncGenerator<PromotionStep, void, undefined> {
  const { force = false, timeoutMs = Number.POSITIVE_INFINITY } = options
  const request = create(PromoteRequestSchema, { region, force })
  const settings = { ...options, timeoutMs }
  const steps = failover.serverStream(ClusterService.method.promote, request, settings, defaultTimeoutMs)
  for await (const { step, done, epoch, took } of steps) {
    yield { step, done, epoch: Number(epoch), tookMs: took ? durationMs(took) : 0 }
  }
}
