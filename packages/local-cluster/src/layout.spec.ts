import { describe, expect, it } from 'vitest'
import { addressText } from './address.ts'
import { Layout, regionsMax, sidecarsMax } from './layout.ts'

describe('the layout', () => {
  it('gives every listener of the largest cluster an address of its own', () => {
    const regions = Array.from({ length: regionsMax }, (_, i) => `region-${i}`)
    const layout = new Layout({ regions, sidecars: sidecarsMax, basePort: 7700, subnet: 3 })
    const indexes = Array.from({ length: sidecarsMax }, (_, i) => i)
    const all = [
      layout.control,
      ...regions.flatMap((region) => [
        layout.dataRedis(region),
        layout.dataRedisItself(region),
        layout.indexRedis(region),
        layout.sentinel(region),
        layout.sentinelItself(region),
        layout.dns(region),
        ...indexes.map((index) => layout.http(region, index)),
        ...regions.flatMap((to) => indexes.map((index) => layout.grpcSeenFrom(region, to, index))),
      ]),
    ].map(addressText)
    expect(new Set(all).size).toBe(all.length)
    const octets = all.flatMap((address) => (address.split(':')[0] ?? '').split('.').map(Number))
    expect(Math.max(...octets)).toBeLessThan(255)
  })

  it('is the one that is promised for perigee dev', () => {
    const regions = ['us-east-1', 'eu-west-1']
    const layout = new Layout({ regions, sidecars: 2, basePort: 7700, subnet: 0 })
    expect(addressText(layout.control)).toBe('127.0.0.1:7799')
    expect(addressText(layout.grpc('eu-west-1', 0))).toBe('127.0.2.1:7700')
    expect(addressText(layout.grpc('eu-west-1', 1))).toBe('127.0.2.2:7700')
    expect(addressText(layout.grpcSeenFrom('us-east-1', 'eu-west-1', 0))).toBe('127.0.1.102:7700')
    expect(addressText(layout.dataRedis('us-east-1'))).toBe('127.0.1.1:7710')
    expect(addressText(layout.dns('us-east-1'))).toBe('127.0.1.1:7753')
  })
})
