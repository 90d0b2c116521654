import type { Position } from '@perigee/core'
import { describe, expect, it } from 'vitest'
import { ANONYMOUS } from '../security/principal.ts'
import { WaitingRead } from './waiting-read.ts'

const KNOWN = { epoch: 1, seq: 1 }

/** A read with a deadline so far away, whose region says `changed` when it does. */
function readOf(options: {
  waitMs: number
  deadlineMs: number
  mayForward?: boolean
  changed?: (known: Position, timeoutMs: number) => Promise<void>
}) {
  const abort = new AbortController()
  const call = { deadlineMs: Date.now() + options.deadlineMs, signal: abort.signal, principal: ANONYMOUS }
  const changed = options.changed ?? (() => Promise.resolve())
  const local = { answer: () => Promise.reject(new Error('not asked')), changed }
  const choice = { consistency: 'SESSION', whenBehind: 'FORWARD' } as const
  const { waitMs, mayForward = true } = options
  return { abort, read: new WaitingRead({ choice, waitMs, mayForward, call, local }) }
}

describe('a waiting read', () => {
  it.each([
    ['as it asked', { waitMs: 50, deadlineMs: 10_000 }, 50],
    ['leaving time to forward it', { waitMs: 60_000, deadlineMs: 1_000 }, 600],
    [
      'almost to its deadline, when it is never forwarded',
      { waitMs: 60_000, deadlineMs: 1_000, mayForward: false },
      900,
    ],
  ])('waits %s', (_, options, expectedMs) => {
    const { read } = readOf(options)
    expect(read.waitLeftMs).toBeGreaterThan(expectedMs - 20)
    expect(read.waitLeftMs).toBeLessThanOrEqual(expectedMs)
  })

  it('waits to the end once nobody else can answer', () => {
    const { read } = readOf({ waitMs: 10, deadlineMs: 10_000 })
    read.waitToTheEnd()
    expect(read.waitLeftMs).toBeGreaterThan(9_000)
  })

  it('goes on at once when the state has moved, and slowly when it is woken for nothing', async () => {
    const { read } = readOf({ waitMs: 5_000, deadlineMs: 10_000 })
    const startedMs = performance.now()
    for (let seq = 1; seq <= 20; seq++) await read.wait({ epoch: 1, seq })
    const movedMs = performance.now() - startedMs
    for (let i = 0; i < 21; i++) await read.wait(KNOWN)
    const idleMs = performance.now() - startedMs - movedMs
    expect(idleMs).toBeGreaterThan(150)
    expect(movedMs).toBeLessThan(idleMs)
    expect(read.waitedMs).toBeGreaterThan(150)
  })

  it('looks again by itself, and never waits past what it may', async () => {
    const asked: number[] = []
    const changed = async (_: Position, timeoutMs: number) => void asked.push(timeoutMs)
    const patient = readOf({ waitMs: 5_000, deadlineMs: 60_000, changed })
    await patient.read.wait(KNOWN)
    const hasty = readOf({ waitMs: 40, deadlineMs: 60_000, changed })
    await hasty.read.wait(KNOWN)
    expect(asked[0]).toBeCloseTo(500)
    expect(asked[1]).toBeLessThan(41)
  })

  it('ends with its call', async () => {
    const { read, abort } = readOf({ waitMs: 5_000, deadlineMs: 10_000 })
    const reason = new Error('the caller went away')
    abort.abort(reason)
    await expect(read.wait(KNOWN)).rejects.toBe(reason)
  })
})
