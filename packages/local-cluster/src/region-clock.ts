// Clocks of regions that are set wrong on purpose. Each region has a file with the seconds that its clock is off by, such as
// `+60.000`; libfaketime reads it anew at every look at the clock. Monotonic clocks, and so all time limits, stay right.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** In each region's folder. */
export const regionClockFile = 'clock'

/** What makes a program go by the clock of the region whose folder is `dir`. */
export function clockEnvironment(library: string, dir: string): Record<string, string> {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: join(dir, regionClockFile),
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  }
}

/** Sets it, in one step: nobody reads half a number. */
export function setRegionClock(dir: string, offsetMs: number): void {
  mkdirSync(dir, { recursive: true })
  const file = join(dir, regionClockFile)
  const seconds = (offsetMs / 1_000).toFixed(3)
  writeFileSync(`${file}.new`, offsetMs < 0 ? seconds : `+${seconds}`)
  renameSync(`${file}.new`, file)
}
