import type { GetStatusResponse } from '@perigee/protocol'
import { ALL_RIGHTS, type Rights } from './rights.ts'

/** What of the regions' status somebody may see: of indexes, those in namespaces that they may do something in. */
export function visibleStatus(status: GetStatusResponse, rights: Rights): GetStatusResponse {
  if (rights === ALL_RIGHTS) return status
  const regions = status.regions.map((region) => ({
    ...region,
    indexes: region.indexes.filter(({ namespace }) => rights.sees(namespace)),
  }))
  return { ...status, regions }
}
