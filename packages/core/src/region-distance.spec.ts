import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coordinatesOf } from './region-coordinates.ts'
import { distanceKm, nearestRegion } from './region-distance.ts'

const place = fc.record({
  latitude: fc.double({ min: -90, max: 90, noNaN: true }),
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
})

function between(a: string, b: string): number {
  const [from, to] = [coordinatesOf(a), coordinatesOf(b)]
  if (!from || !to) throw new Error('unknown region')
  return distanceKm(from, to)
}

describe('the distance between regions', () => {
  it.each([
    ['us-east-1', 'eu-west-1', 5_450],
    ['us-east-1', 'ap-southeast-1', 15_550],
    ['eu-west-1', 'ap-southeast-1', 11_200],
    ['europe-west2', 'uksouth', 0],
  ])('from %s to %s is about %i km', (a, b, km) => {
    expect(Math.abs(between(a, b) - km)).toBeLessThan(100)
  })

  it('is the same both ways, none to itself, and never more than half the globe', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        expect(distanceKm(a, b)).toBeCloseTo(distanceKm(b, a), 6)
        expect(distanceKm(a, a)).toBe(0)
        expect(distanceKm(a, b)).toBeLessThanOrEqual(20_016)
      }),
    )
  })

  it('makes the nearest region', () => {
    const regions = ['us-east-1', 'eu-west-1', 'ap-southeast-1']
    expect(nearestRegion({ latitude: 48.9, longitude: 2.4 }, regions)).toBe('eu-west-1')
    expect(nearestRegion({ latitude: 91, longitude: 0 }, regions)).toBeUndefined()
    expect(nearestRegion({ latitude: 0, longitude: 0 }, ['constructor'])).toBeUndefined()
  })
})
