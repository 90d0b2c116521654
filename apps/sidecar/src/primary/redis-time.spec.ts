import { expect, it } from 'vitest'
import { hostNowMs, RedisTime } from './redis-time.ts'

/** A Redis whose clock is `aheadMs` ahead; the reading took so long there and back. */
function reading({ sentMs, aheadMs, there, back }: Record<'sentMs' | 'aheadMs' | 'there' | 'back', number>) {
  return { redisMs: sentMs + there + aheadMs, sentMs, receivedMs: sentMs + there + back }
}

it('is not misled by a Redis that was held up before it answered', () => {
  const time = new RedisTime()
  const sentMs = hostNowMs()
  expect(time.uncertaintyMs).toBe(Number.POSITIVE_INFINITY)
  time.note(reading({ sentMs, aheadMs: 30, there: 0.25, back: 0.25 }))
  time.note(reading({ sentMs: sentMs + 500, aheadMs: 30, there: 400, back: 0.25 }))
  expect(time.offsetMs).toBeCloseTo(30, 2)
  expect(time.uncertaintyMs).toBeLessThan(10)
})

it('follows a clock that is set', () => {
  const time = new RedisTime()
  const sentMs = hostNowMs()
  time.note(reading({ sentMs, aheadMs: 0, there: 0.25, back: 0.25 }))
  time.note(reading({ sentMs: sentMs + 500, aheadMs: -2000, there: 1, back: 1 }))
  expect(time.offsetMs).toBeCloseTo(-2000, 2)
})

it('follows a clock that drifts', () => {
  const time = new RedisTime()
  const sentMs = hostNowMs()
  time.note(reading({ sentMs, aheadMs: 0, there: 0.1, back: 0.1 }))
  for (let s = 1; s <= 600; s++) {
    time.note(reading({ sentMs: sentMs + s * 1000, aheadMs: s * 0.05, there: 0.5, back: 0.5 }))
    expect(Math.abs(time.offsetMs - s * 0.05)).toBeLessThan(1)
  }
})
