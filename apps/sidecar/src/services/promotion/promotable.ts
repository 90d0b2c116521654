import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import type { PeerClient } from '../../grpc/peer-client.ts'
import type { Claiming } from '../../primary/claiming.ts'
import type { OtherRegions } from '../../primary/other-regions.ts'
import type { WayMaker } from '../../primary/way-maker.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { ExternalPromotion } from './external-promotion.ts'
import type { Promotable } from './promote-handler.ts'
import { Promotion } from './promotion.ts'
import { SentinelPromotion } from './sentinel-promotion.ts'
import { Ways } from './ways.ts'

/** How this region is promoted, by topology. */
export function promotionOf(options: {
  config: Config
  claiming: Claiming
  wayMaker: WayMaker
  others: readonly OtherRegion[]
  says: OtherRegions
  peers: PeerClient
  mayLack: () => Promise<boolean>
  log: Logger
}): Promotable {
  const { config, claiming, ...rest } = options
  const { region, regions, leaseMs, dataRedisAddress: address } = config
  const { claim, own, appointed, bySentinel } = claiming
  const ways = new Ways({ ...rest, region, regions })
  if (appointed) return new Promotion({ ...rest, region, ways, appointed, claim, own })
  if (bySentinel) {
    return new SentinelPromotion({ ...rest, ...bySentinel, region, address, claim, own, ways, leaseMs })
  }
  return new ExternalPromotion(region)
}
