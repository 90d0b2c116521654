import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CallsInFlight } from './calls-in-flight.ts'
import type { MultiplexedCall } from './multiplexed-call.ts'

/** A call that came now. */
function callOf(id: number, dueAfterMs = 60_000): MultiplexedCall {
  const atMs = Date.now()
  const call = {
    ...{ id, dueAfterMs, answered: false },
    get dueMs(): number {
      return atMs + this.dueAfterMs
    },
  }
  return call as MultiplexedCall
}

describe('the calls in flight', () => {
  it('are found by id, whatever ids a client uses', () => {
    const id = fc.oneof(fc.nat({ max: 20 }), fc.integer({ min: 4_090, max: 4_100 }), fc.nat({ max: 2 ** 31 }))
    fc.assert(
      fc.property(fc.array(fc.record({ id, adds: fc.boolean() }), { maxLength: 60 }), (steps) => {
        const calls = new CallsInFlight(() => {})
        const wanted = new Map<number, MultiplexedCall>()
        for (const { id, adds } of steps) {
          const call = callOf(id)
          if (adds) {
            expect(calls.add(call)).toBe(!wanted.has(id))
            if (!wanted.has(id)) wanted.set(id, call)
          } else {
            // Another one with its id stays.
            calls.delete(call)
            const known = wanted.get(id)
            if (known) calls.delete(known)
            wanted.delete(id)
          }
          expect(calls.get(id)).toBe(wanted.get(id))
          expect(calls.size).toBe(wanted.size)
        }
        expect(new Set(calls.clear())).toEqual(new Set(wanted.values()))
        expect(calls.size).toBe(0)
        for (const id of wanted.keys()) expect(calls.get(id)).toBeUndefined()
      }),
    )
  })

  it('are told of when they are due, and no sooner', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const due: number[] = []
    const calls = new CallsInFlight((call) => {
      due.push(call.id)
      call.answered = true
      calls.delete(call)
    })
    for (const [id, afterMs] of [
      [1, 500],
      [70_000, 100],
      [3, 300],
    ] as const)
      calls.add(callOf(id, afterMs))
    calls.makeDue(calls.get(3) as MultiplexedCall, 200)
    vi.advanceTimersByTime(99)
    expect(due).toEqual([])
    vi.advanceTimersByTime(101)
    expect(due).toEqual([70_000, 3])
    vi.advanceTimersByTime(300)
    expect(due).toEqual([70_000, 3, 1])
  })
})
