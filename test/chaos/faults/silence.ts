import type { Figure, Readings } from '../figure.ts'
import { DEADLINE_MS } from '../load.ts'
import type { Stage } from '../stage.ts'

const SLOW = 'slow reads until'
const LONGEST = 'longest call'
const FAILED = 'failed reads'
/** A deadline is a timer, and timers are late on a busy machine. */
const TIMER_SLACK_MS = 100
/** Beyond the next region's round trip: such a read was held up by what is silent. */
const SLOW_MS = 300
const WATCHED_MS = 5_000

/** What must hold when a sidecar, or the way to it, takes everything and answers nothing. */
export const silenceFigures: readonly Figure[] = [
  { name: SLOW, unit: 'ms', max: 3_000 },
  { name: LONGEST, unit: 'ms', max: DEADLINE_MS + TIMER_SLACK_MS },
  { name: FAILED, max: 0 },
]

/** Watches the clients of one place since it fell silent. */
export async function silenceReadings(
  stage: Stage,
  client: string,
  fromMs: number,
  nextRoundTripMs: number,
): Promise<Readings> {
  const calls = (await stage.watch(fromMs, WATCHED_MS)).in(client)
  const slow = calls.reads.slowerThan(nextRoundTripMs + SLOW_MS)
  return {
    // When the last one began that was held up: later ones went straight to where they are answered.
    [SLOW]: slow.lastStartMs(fromMs) - fromMs,
    [LONGEST]: calls.longestMs,
    [FAILED]: stage.told(calls.reads.failed),
  }
}
