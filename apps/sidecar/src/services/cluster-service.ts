import { setTimeout as delay } from 'node:timers/promises'
import { create } from '@bufbuild/protobuf'
import {
  ClusterService,
  LagSampleSchema,
  type LagSummary,
  LagSummarySchema,
  ProbeLagResponseSchema,
  WatchStatusResponseSchema,
} from '@perigee/protocol'
import type { CallContext, ServiceHandlers, ServiceRegistration } from '../grpc/call.ts'
import type { PrimaryClock } from '../primary-clock.ts'
import type { Access } from '../security/access.ts'
import type { Principal } from '../security/principal.ts'
import { visibleStatus } from '../security/visible-status.ts'
import { type ClusterView, changeKey } from '../status/cluster-view.ts'
import { type ProbeOptions, type ProbeSummary, probeLag } from '../status/lag-probe.ts'
import type { MarkWatch } from '../status/mark-watch.ts'
import { durationOf, timestampOf } from '../wire-time.ts'
import { type IndexAuditHandlersOptions, indexAuditHandlers } from './index-audit-handlers.ts'
import { checkProbeLag, checkWatchStatus } from './validation/cluster-requests.ts'

type Handlers = ServiceHandlers<typeof ClusterService.method>

/** How often a watched status is compared with what was told last. */
const COMPARE_MS = 50
const PROBE_LOST_AFTER_MS = 5000

export interface ClusterServiceOptions extends IndexAuditHandlersOptions {
  readonly view: ClusterView
  readonly clock: PrimaryClock
  /** Sees lag probes arrive in this region's data Redis. */
  readonly probes: MarkWatch
  /** Writes one lag probe at the primary. @throws StatusError */
  readonly writeProbe: ProbeOptions['write']
  readonly promote: Handlers['promote']
  /** Who may see what. */
  readonly access: Pick<Access, 'rightsOf'>
}

/** `perigee.v1.ClusterService`. */
export function createClusterService(options: ClusterServiceOptions): ServiceRegistration {
  const { view, clock, probes, writeProbe, promote, access } = options
  const visible = (principal: Principal) => visibleStatus(view.status(), access.rightsOf(principal))

  const handlers: Handlers = {
    ...indexAuditHandlers(options),
    promote,

    async getStatus(_, { principal }) {
      return visible(principal)
    },

    async *watchStatus(request, { signal, principal }) {
      const intervalMs = checkWatchStatus(request)
      while (!signal.aborted) {
        const status = visible(principal)
        yield create(WatchStatusResponseSchema, { status })
        await changeOr(intervalMs, () => changeKey(visible(principal)) !== changeKey(status), signal)
      }
    },

    async *probeLag(request, call) {
      const { samples, intervalMs } = checkProbeLag(request)
      const fromRegion = view.primaryRegion
      const run = probeLag({
        ...{ samples, intervalMs, probes, write: writeProbe, signal: call.signal },
        lostAfterMs: PROBE_LOST_AFTER_MS,
      })
      for (;;) {
        const next = await run.next()
        if (next.done) {
          const summary = summaryMessage(next.value, { fromRegion, toRegion: view.own.region }, clock)
          yield create(ProbeLagResponseSchema, { event: { case: 'summary', value: summary } })
          return
        }
        const { writtenAtMs, observedAtMs } = next.value
        const sample = create(LagSampleSchema, {
          writtenAt: timestampOf(writtenAtMs),
          observedAt: timestampOf(observedAtMs),
          lag: durationOf(observedAtMs - writtenAtMs),
        })
        yield create(ProbeLagResponseSchema, { event: { case: 'sample', value: sample } })
      }
    },
  }
  return { service: ClusterService, handlers: handlers as unknown as ServiceRegistration['handlers'] }
}

/** Resolves when the status differs from the one told, or after `intervalMs`, or when the call ends. */
async function changeOr(
  intervalMs: number,
  hasChanged: () => boolean,
  signal: CallContext['signal'],
): Promise<void> {
  const untilMs = performance.now() + intervalMs
  for (;;) {
    const leftMs = untilMs - performance.now()
    if (leftMs <= 0) return
    await delay(Math.min(leftMs, COMPARE_MS), undefined, { signal }).catch(() => {})
    if (signal.aborted || hasChanged()) return
  }
}

function summaryMessage(
  { samples, lost, lags }: ProbeSummary,
  regions: { fromRegion: string; toRegion: string },
  clock: PrimaryClock,
): LagSummary {
  const uncertaintyMs = clock.uncertaintyMs()
  return create(LagSummarySchema, {
    ...{ ...regions, samples, lost },
    ...(lags && {
      min: durationOf(lags.min),
      p50: durationOf(lags.p50),
      p95: durationOf(lags.p95),
      p99: durationOf(lags.p99),
      max: durationOf(lags.max),
    }),
    ...(Number.isFinite(uncertaintyMs) && { uncertainty: durationOf(uncertaintyMs) }),
  })
}
