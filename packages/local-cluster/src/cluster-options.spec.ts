import { describe, expect, it } from 'vitest'
import { clusterSettings } from './cluster-options.ts'
import { distanceMs, parseDistances } from './distances.ts'

describe('the options of a cluster', () => {
  it.each([
    [{ regions: [] }, '1 to 15 regions'],
    [{ regions: ['a', 'a'], distances: 'none' as const }, 'named twice'],
    [{ regions: ['Not a name'] }, "can't be a region"],
    [{ primary: 'mars-1' }, "isn't one of"],
    [{ sidecars: 0 }, '1 to 9 sidecars'],
    [{ basePort: 80 }, 'base port'],
    [{ subnet: 255 }, 'subnet'],
    [{ regions: ['us-east-1', 'mars-1'] }, 'no real distance is known'],
  ])('refuse %j', (options, message) => {
    expect(() => clusterSettings(options)).toThrow(message)
  })

  it('have the first region as the primary', () => {
    expect(clusterSettings({}).primary).toBe('us-east-1')
  })
})

describe('distances', () => {
  it('are the same both ways unless told otherwise', () => {
    expect(distanceMs('real', 'ap-southeast-1', 'us-east-1')).toBe(105)
    const oneSided = parseDistances('{"a": {"b": 3}, "b": {"a": 4.5}}')
    expect([distanceMs(oneSided, 'a', 'b'), distanceMs(oneSided, 'b', 'a')]).toEqual([3, 4.5])
  })

  it.each(['[]', '{"a": 1}', '{"a": {"b": -1}}', '{"a": {"b": "1"}}', '{'])('refuse %s', (text) => {
    expect(() => parseDistances(text)).toThrow(/distance/i)
  })
})
