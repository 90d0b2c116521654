import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { clockEnvironment, regionClockFile, setRegionClock } from './region-clock.ts'

const dir = mkdtempSync(join(tmpdir(), 'region-clock-'))

afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('the clock of a region', () => {
  it('is off by signed seconds, as libfaketime reads them', () => {
    const textAt = (offsetMs: number) => {
      setRegionClock(dir, offsetMs)
      return readFileSync(join(dir, regionClockFile), 'utf8')
    }
    expect([0, 60_000, -60_000, 1_500].map(textAt)).toEqual(['+0.000', '+60.000', '-60.000', '+1.500'])
  })

  it('is the one that programs are told to go by, at every look, and leaves time limits alone', () => {
    expect(clockEnvironment('/lib/faketime.so', dir)).toMatchObject({
      LD_PRELOAD: '/lib/faketime.so',
      FAKETIME_TIMESTAMP_FILE: join(dir, regionClockFile),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    })
  })
})
