import { describe, expect, it } from 'vitest'
import { leastLoaded, leastLoadedInUse } from './least-loaded.ts'

const sidecar = (address: string, priority?: number) => ({
  ...{ region: 'eu-west-1', address },
  ...(priority !== undefined && { priority }),
})

describe('the least loaded sidecar in use', () => {
  it('is the first of all by priority and load, but for those out of use', () => {
    const all = [sidecar('a', 1), sidecar('b'), sidecar('c'), sidecar('d')]
    const loads: Record<string, number> = { a: 0, b: 5, c: 3, d: 4 }
    expect(leastLoaded(all, ({ address }) => loads[address] ?? 0)[0]?.address).toBe('c')
    const without =
      (out: string) =>
      ({ address }: { address: string }) =>
        address === out ? undefined : loads[address]
    expect(leastLoadedInUse(all, without(''))?.address).toBe('c')
    expect(leastLoadedInUse(all, without('c'))?.address).toBe('d')
    expect(leastLoadedInUse(all, ({ address }) => (address === 'a' ? 9 : undefined))?.address).toBe('a')
    expect(leastLoadedInUse(all, () => undefined)).toBeUndefined()
  })

  it('is each of those with as few calls as often', () => {
    const all = [sidecar('a'), sidecar('b'), sidecar('c')]
    const chosen = Array.from({ length: 3_000 }, () => leastLoadedInUse(all, () => 7)?.address)
    for (const { address } of all) {
      const share = chosen.filter((one) => one === address).length
      expect(share).toBeGreaterThan(800)
      expect(share).toBeLessThan(1_200)
    }
  })
})
