import { create } from '@bufbuild/protobuf'
import {
  ClusterService,
  GetStatusRequestSchema,
  ProbeLagRequestSchema,
  WatchStatusRequestSchema,
} from '@perigee/protocol'
import { deadlineOf } from './call-settings.ts'
import {
  type IndexCareOptions,
  type IndexFindings,
  rebuildIndex,
  type VerifyIndexOptions,
  verifyIndex,
} from './cluster-indexes.ts'
import {
  type ClusterStatus,
  clusterStatusFrom,
  type LagSample,
  type LagSummary,
  lagEventFrom,
} from './cluster-status.ts'
import { durationFromMs } from './duration.ts'
import type { Failover } from './failover.ts'
import type { RegionalIndex } from './index-definition.ts'
import { type PromoteOptions, type PromotionStep, promote } from './promotion.ts'
import { resumed } from './resumed.ts'

const methods = ClusterService.method

/** What any call about the cluster takes. */
export interface ClusterOptions {
  /** The region to ask. Default: the nearest one that answers. */
  readonly region?: string | undefined
  /** Gives the call up: it fails with code `CANCELLED`, and the signal's reason as the cause. */
  readonly signal?: AbortSignal | undefined
  /** In milliseconds. Default: the client's `defaultTimeoutMs`; none for what goes on and on. */
  readonly timeoutMs?: number | undefined
}

/** How to watch. */
export interface WatchStatusOptions extends ClusterOptions {
  /** Longest time between two answers in milliseconds, at least 100. Default 1,000. */
  readonly intervalMs?: number | undefined
}

/** How to probe. */
export interface ProbeLagOptions extends ClusterOptions {
  /** Default 100, at most 10,000. */
  readonly samples?: number | undefined
  /** Between samples, in milliseconds. Default 50. */
  readonly intervalMs?: number | undefined
}

/** What operators ask about the regions themselves. Every method fails with a `PerigeeError`. */
export class Cluster {
  readonly #failover: Failover
  readonly #defaultTimeoutMs: number

  /** Use `perigee.cluster`. */
  constructor(failover: Failover, defaultTimeoutMs: number) {
    this.#failover = failover
    this.#defaultTimeoutMs = defaultTimeoutMs
  }

  /** All regions, as the answering one knows them. */
  async status(options: ClusterOptions = {}): Promise<ClusterStatus> {
    const timeoutMs = options.timeoutMs ?? this.#defaultTimeoutMs
    const request = create(GetStatusRequestSchema)
    const { response } = await this.#failover.unary(methods.getStatus, () => request, {
      ...options,
      timeoutMs,
    })
    return clusterStatusFrom(response)
  }

  /**
   * The status now, and again at every change and at least every interval, until the loop is left. When the sidecar goes
   * away the next one goes on; the loop fails with `UNAVAILABLE` when none does.
   */
  async *watchStatus(options: WatchStatusOptions = {}): AsyncGenerator<ClusterStatus, void, undefined> {
    const { intervalMs, timeoutMs = Number.POSITIVE_INFINITY, signal } = options
    const interval = intervalMs === undefined ? {} : { interval: durationFromMs(intervalMs, 'interval') }
    const request = create(WatchStatusRequestSchema, interval)
    const deadline = deadlineOf({ timeoutMs })
    const firstAnswerMs = this.#defaultTimeoutMs
    const answers = resumed(signal, () => {
      const settings = { ...options, timeoutMs: deadline.remainingMs }
      return this.#failover.serverStream(methods.watchStatus, request, settings, firstAnswerMs)
    })
    for await (const { status } of answers) {
      if (status) yield clusterStatusFrom(status)
    }
  }

  /** Writes timestamped entries at the primary and observes them in the region asked: samples, and at last a summary. */
  async *probeLag(options: ProbeLagOptions = {}): AsyncGenerator<LagSample | LagSummary, void, undefined> {
    const { samples = 0, intervalMs, timeoutMs = Number.POSITIVE_INFINITY } = options
    const interval = intervalMs === undefined ? {} : { interval: durationFromMs(intervalMs, 'interval') }
    const request = create(ProbeLagRequestSchema, { samples, ...interval })
    const settings = { ...options, timeoutMs }
    const firstAnswerMs = this.#defaultTimeoutMs + (intervalMs ?? 0)
    for await (const answer of this.#failover.serverStream(
      methods.probeLag,
      request,
      settings,
      firstAnswerMs,
    )) {
      const event = lagEventFrom(answer)
      if (event) yield event
    }
  }

  /**
   * Compares a region's index with the chunks that it should hold, by id and version; with `repair` it mends what differs.
   * Tells what it has found so far, and `done` at last; leaving the loop ends it. An alias stands for all of its indexes.
   * Fails with `INDEX_BUILDING` while the index is still being filled.
   */
  verifyIndex(
    index: string,
    options: VerifyIndexOptions = {},
  ): AsyncGenerator<IndexFindings, void, undefined> {
    return verifyIndex({ failover: this.#failover, defaultTimeoutMs: this.#defaultTimeoutMs }, index, options)
  }

  /**
   * Makes a region the primary, telling each step. Without `force` nothing is lost that any region holds; it fails with
   * `WOULD_LOSE_WRITES` where that can't be made sure, and changes nothing. Broken off, it can be called again.
   */
  promote(region: string, options: PromoteOptions = {}): AsyncGenerator<PromotionStep, void, undefined> {
    return promote({ failover: this.#failover, defaultTimeoutMs: this.#defaultTimeoutMs }, region, options)
  }

  /**
   * Fills a region's index anew from its chunks; it serves its old copy meanwhile. Tells the state and the part done, 1 at
   * last; leaving the loop ends it, and the index stays whole. An alias stands for all of its indexes, one after another.
   */
  rebuildIndex(
    index: string,
    options: IndexCareOptions = {},
  ): AsyncGenerator<RegionalIndex, void, undefined> {
    return rebuildIndex(
      { failover: this.#failover, defaultTimeoutMs: this.#defaultTimeoutMs },
      index,
      options,
    )
  }
}
