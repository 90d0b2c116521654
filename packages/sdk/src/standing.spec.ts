import { describe, expect, it } from 'vitest'
import { Standing } from './standing.ts'

const certain = { certain: true, alone: false }
const uncertain = { certain: false, alone: false }

/** Lets time pass in steps, as the timers of its owner do; tells when it came back into use. */
function backAt(standing: Standing, from: number): number {
  for (let now = from; now < from + 60_000; now += 100) {
    standing.lookAt(now)
    if (standing.inUse) return now
  }
  return Number.POSITIVE_INFINITY
}

describe('a sidecar’s service', () => {
  it('goes out of use after three errors in a row, and not by three with an answer between', () => {
    const standing = new Standing()
    for (const now of [0, 100]) standing.failed(uncertain, now)
    standing.answered()
    for (const now of [200, 300]) standing.failed(uncertain, now)
    expect(standing.inUse).toBe(true)
    standing.failed(uncertain, 400)
    expect(standing.inUse).toBe(false)
    expect(backAt(standing, 400)).toBe(3_400)
  })

  it('takes what fails together for one failure', () => {
    const standing = new Standing()
    for (let now = 0; now < 200; now += 1) standing.failed(uncertain, now)
    expect(standing.inUse).toBe(true)
    standing.failed(uncertain, 200)
    expect(standing.inUse).toBe(false)
  })

  it('goes out of use at once after an error that leaves no doubt, and not at all when nobody else is in use', () => {
    const standing = new Standing()
    standing.failed({ certain: true, alone: true }, 0)
    expect(standing.inUse).toBe(true)
    standing.failed(certain, 0)
    expect(standing.inUse).toBe(false)
  })

  it('is left alone for longer each time, and after a minute in use no longer than at first', () => {
    const standing = new Standing()
    let now = 0
    const times: number[] = []
    for (const _ of [1, 2, 3, 4, 5]) {
      standing.failed(certain, now)
      const back = backAt(standing, now)
      times.push(back - now)
      now = back + 1_000
    }
    expect(times).toEqual([3_000, 6_000, 8_000, 8_000, 8_000])
    now += 61_000
    standing.failed(certain, now)
    expect(backAt(standing, now) - now).toBe(3_000)
  })

  it('comes back once its health was good for a while without a break', () => {
    const standing = new Standing()
    standing.healthIs('unreachable', 0)
    expect(backAt(standing, 0)).toBe(Number.POSITIVE_INFINITY)
    for (let now = 60_000; now < 70_000; now += 2_000) {
      standing.healthIs('well', now)
      standing.lookAt(now + 999)
      standing.healthIs('unreachable', now + 1_000)
    }
    expect(standing.inUse).toBe(false)
    standing.healthIs('well', 70_000)
    standing.healthIs('well', 71_000)
    expect(backAt(standing, 71_000)).toBe(73_000)
  })

  it('comes back sooner when it was there all along and said that it does not serve, unless it does so often', () => {
    const standing = new Standing()
    let now = 0
    const times: number[] = []
    for (const _ of [1, 2, 3]) {
      standing.healthIs('not-serving', now)
      standing.healthIs('well', now + 50)
      const back = backAt(standing, now + 50)
      times.push(back - now - 50)
      now = back + 100
    }
    expect(times).toEqual([300, 3_000, 6_000])
    now += 61_000
    standing.healthIs('unreachable', now)
    standing.healthIs('not-serving', now)
    standing.healthIs('well', now)
    expect(backAt(standing, now) - now).toBe(3_000)
  })

  it('stands the farther back the less can be expected of it', () => {
    const standing = new Standing()
    const places = [standing.place]
    standing.healthIs('unreachable', 0)
    places.push(standing.place)
    standing.healthIs('not-serving', 0)
    places.push(standing.place)
    standing.healthIs('well', 0)
    places.push(standing.place)
    standing.failed(certain, 0)
    expect(places).toEqual([0, 4, 3, 1])
  })
})
