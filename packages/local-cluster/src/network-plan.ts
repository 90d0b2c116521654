import type { ClusterSettings } from './cluster-options.ts'
import { distanceMs } from './distances.ts'
import type { Layout } from './layout.ts'
import type { LinkPlan, NetworkPlan } from './network.ts'
import type { RelayPlan } from './relay.ts'

type NetworkSettings = Pick<ClusterSettings, 'distances' | 'sentinel' | 'domain'>

/** The network of a cluster: a link for each ordered pair of regions, relays, and a DNS view for each region. */
export function planNetwork(layout: Layout, settings: NetworkSettings): NetworkPlan {
  const { regions } = layout
  return {
    links: planLinks(layout, settings),
    relays: regions.flatMap((region) => [
      ...publicRelays(layout, region, settings),
      ...grpcRelays(layout, region),
    ]),
    dns: regions.map((region) => ({
      region,
      listen: layout.dns(region),
      view: {
        domain: settings.domain,
        regions: regions.map((name) => ({
          name,
          sidecars: sidecarIndexes(layout).map((index) => layout.grpcSeenFrom(region, name, index)),
        })),
      },
    })),
    subnets: regions.map((region) => ({ prefix: layout.prefix(region), region })),
  }
}

function planLinks({ regions }: Layout, { distances }: NetworkSettings): LinkPlan[] {
  return regions.flatMap((from) =>
    regions
      .filter((to) => to !== from)
      .map((to) => ({
        from,
        to,
        delayMs: distanceMs(distances, from, to),
        mode: 'open' as const,
        bytesPerSecond: 0,
      })),
  )
}

/** In front of what all regions know by one address: these tell regions apart by where a connection comes from. */
function publicRelays(layout: Layout, region: string, { sentinel }: NetworkSettings): RelayPlan[] {
  const dataRedis = {
    listen: layout.dataRedis(region),
    target: layout.dataRedisItself(region),
    from: undefined,
    to: region,
  }
  if (!sentinel) return [dataRedis]
  return [
    dataRedis,
    { listen: layout.sentinel(region), target: layout.sentinelItself(region), from: undefined, to: region },
  ]
}

/** In a region, the ways to the other regions' sidecars. */
function grpcRelays(layout: Layout, from: string): RelayPlan[] {
  return layout.regions
    .filter((to) => to !== from)
    .flatMap((to) =>
      sidecarIndexes(layout).map((index) => ({
        listen: layout.grpcSeenFrom(from, to, index),
        target: layout.grpc(to, index),
        from,
        to,
      })),
    )
}

function sidecarIndexes({ sidecars }: Layout): number[] {
  return Array.from({ length: sidecars }, (_, index) => index)
}
