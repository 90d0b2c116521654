import type { Disturbance, Row } from '../row.ts'
import { clockRows } from './clock.ts'
import { dataRedisKilled, killsReplica } from './data-redis-killed.ts'
import { dnsRows, losesNames } from './dns.ts'
import { halfOpen, stallsLink } from './half-open.ts'
import { indexRedisKilled, killsIndex } from './index-redis-killed.ts'
import { flapsLinks, linkFlaps } from './link-flaps.ts'
import { oldPrimaryReturns } from './old-primary-returns.ts'
import { plannedPromotion, promotes } from './planned-promotion.ts'
import { cutsPrimaryOff, primaryCutOff } from './primary-cut-off.ts'
import { killsPrimary, losesRegion, primaryRedisKilled, primaryRegionGone } from './primary-lost.ts'
import { diskFull, fillsDisk, fillsMemory, redisOutOfMemory } from './redis-full.ts'
import { sidecarBack } from './sidecar-back.ts'
import { drainsSidecar, sidecarDrained } from './sidecar-drained.ts'
import { killsSidecar, sidecarKilled } from './sidecar-killed.ts'
import { pausesSidecar, sidecarPaused } from './sidecar-paused.ts'
import { slowLinks, slowsLink } from './slow-link.ts'
import { swallowingPort } from './swallowing-port.ts'

/** Every fault, in the order of the table. */
export const rows: readonly Row[] = [
  sidecarKilled,
  sidecarPaused,
  halfOpen,
  swallowingPort,
  sidecarBack,
  sidecarDrained,
  dataRedisKilled,
  indexRedisKilled,
  primaryRedisKilled,
  primaryRegionGone,
  primaryCutOff,
  oldPrimaryReturns,
  plannedPromotion,
  ...dnsRows,
  linkFlaps,
  ...clockRows,
  ...slowLinks,
  redisOutOfMemory,
  diskFull,
]

/** What a long run draws from. */
export const disturbances: readonly Disturbance[] = [
  killsSidecar,
  pausesSidecar,
  drainsSidecar,
  stallsLink,
  killsReplica,
  killsIndex,
  killsPrimary,
  losesRegion,
  cutsPrimaryOff,
  promotes,
  losesNames,
  flapsLinks,
  ...slowsLink,
  fillsMemory,
  fillsDisk,
]
