import type { RegionStatus } from '@perigee/protocol'
import { type Ended, perigee } from '../cli/run-perigee.ts'
import { waitFor } from '../support/wait-for.ts'
import { type SentinelRegions, startSentinelRegions } from './sentinel-regions.ts'

/** Three regions of which the configuration names the primary, us-east-1, with the gate and without Sentinels. */
export function startStaticRegions(
  options: Parameters<typeof startSentinelRegions>[0] = {},
): Promise<SentinelRegions> {
  return startSentinelRegions({ topology: 'static', sentinel: false, ...options })
}

/** Runs `perigee promote`. */
export function promote(
  { cluster }: SentinelRegions,
  region: string,
  options: { force?: boolean } = {},
): Promise<Ended> {
  const force = options.force ? ['--force'] : []
  return perigee(['promote', region, '--yes', ...force, '--state', cluster.stateFile])
}

/** A region's status, as another one or itself tells it. */
export async function statusOf(regions: SentinelRegions, region: string, by = region): Promise<RegionStatus> {
  const { regions: statuses } = await regions.client(by).cluster.getStatus({})
  const found = statuses.find((status) => status.region === region)
  if (!found) throw new Error(`${by} tells nothing of ${region}`)
  return found
}

/** The position that a region's data Redis holds, as text. */
export async function clockOf({ cluster }: SentinelRegions, region: string): Promise<string> {
  return String((await cluster.dataRedis(region).command('GET', 'pg:{0}:clock')) ?? '')
}

/** Waits until all regions hold the same. */
export function level(regions: SentinelRegions): Promise<string> {
  const clocks = () => Promise.all(regions.regions.map((region) => clockOf(regions, region)))
  return waitFor(
    'all regions to be level',
    async () => {
      const [first, ...rest] = await clocks()
      return rest.every((clock) => clock === first) && first
    },
    { timeoutMs: 30_000, explain: clocks },
  )
}

/** Waits until a region takes writes and all others follow it. */
export async function primaryIs(regions: SentinelRegions, primary: string): Promise<void> {
  const named = async () =>
    Promise.all(
      regions.regions.map(async (region) => {
        const [{ primaryRegion }, role] = await Promise.all([
          regions.client(region).cluster.getStatus({}),
          regions.cluster.dataRedis(region).command('ROLE') as Promise<unknown[]>,
        ])
        return [region, primaryRegion, role[0], role[2], role[3]]
      }),
    )
  const { host, port } = regions.cluster.layout.dataRedis(primary)
  await waitFor(
    `${primary} to be the primary, followed by all`,
    async () =>
      (await named()).every(
        ([region, primaryRegion, role, , link]) =>
          primaryRegion === primary &&
          (region === primary ? role === 'master' : role === 'slave' && link === 'connected'),
      ) && `${host}:${port}`,
    { timeoutMs: 30_000, everyMs: 100, explain: named },
  )
}
