import type { ProbeLagRequest, WatchStatusRequest } from '@perigee/protocol'
import { invalidField, tooLarge } from '../../status-error.ts'
import { waitMsOf } from './duration.ts'
import { checkName } from './name.ts'

const WATCH_INTERVAL_MS = 1000
const WATCH_INTERVAL_MS_MIN = 100
const WATCH_INTERVAL_MS_MAX = 3_600_000
const SAMPLES = 100
const SAMPLES_MAX = 10_000
const PROBE_INTERVAL_MS = 50
const PROBE_INTERVAL_MS_MAX = 60_000

/** What a checked ProbeLag asks. */
export interface ProbeLagInput {
  readonly samples: number
  readonly intervalMs: number
}

/** How often a WatchStatus answers at least, milliseconds. */
export function checkWatchStatus(request: WatchStatusRequest): number {
  const intervalMs = waitMsOf('interval', request.interval, WATCH_INTERVAL_MS)
  if (intervalMs < WATCH_INTERVAL_MS_MIN) throw invalidField('interval', 'must be at least 100 ms')
  if (intervalMs > WATCH_INTERVAL_MS_MAX) throw invalidField('interval', 'must be at most an hour')
  return intervalMs
}

export function checkProbeLag(request: ProbeLagRequest): ProbeLagInput {
  if (request.samples > SAMPLES_MAX) {
    throw tooLarge('samples', `is ${request.samples}, at most ${SAMPLES_MAX} are taken`)
  }
  const intervalMs = waitMsOf('interval', request.interval, PROBE_INTERVAL_MS)
  if (intervalMs > PROBE_INTERVAL_MS_MAX) throw invalidField('interval', 'must be at most a minute')
  return { samples: request.samples || SAMPLES, intervalMs }
}

/** The index or alias that a VerifyIndex or RebuildIndex names. */
export function checkIndexName<T extends { readonly namespace: string; readonly index: string }>(
  request: T,
): T {
  checkName('namespace', request.namespace)
  checkName('index', request.index)
  return request
}
