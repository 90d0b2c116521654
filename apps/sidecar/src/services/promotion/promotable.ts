import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import type { PeerClient } from '../../grpc/peer-client.ts'
import type { Claiming } from '../../primary/claiming.ts'
import type { OtherRegions } from '../../primary/other-regions.ts'
import type { WayMaker } from '../../primary/way-maker.ts'
import type { OtherRegion } from '../../status/other-region.ts'
import { refusal } from '../../status-error.ts'
import type { Promotable } from './promote-handler.ts'
import { Promotion } from './promotion.ts'
import { SentinelPromotion } from './sentinel-promotion.ts'

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
  if (appointed) return new Promotion({ ...rest, region, regions, appointed, claim, own })
  if (bySentinel) {
    return new SentinelPromotion({ ...bySentinel, region, address, claim, leaseMs, others: rest.others })
  }
  return {
    // biome-ignore lint/correctness/useYield: it has no step
    async *run() {
      throw refusal(
        'NOT_YET',
        'PERIGEE_TOPOLOGY is external: the managed service moves the role. Promote there; the sidecars follow. Nothing was changed.',
      )
    },
  }
}
