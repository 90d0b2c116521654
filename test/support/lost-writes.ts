import type { TwoRegions } from './two-regions.ts'
import { waitFor } from './wait-for.ts'

/**
 * Makes a new claim that carries on from `count` writes before the newest one, as after a failover that lost them: the
 * primary's clock goes back, and the next claim records the fork there.
 */
export async function loseNewest({ cluster, us }: TwoRegions, count: number): Promise<void> {
  const primary = cluster.dataRedis('us-east-1')
  const [epoch, seq] = String(await primary.command('GET', 'pg:{0}:clock')).split('-')
  if (count > 0) await primary.command('SET', 'pg:{0}:clock', `${epoch}-${Number(seq) - count}`)
  await primary.command('FUNCTION', 'DELETE', 'perigee_1')
  await waitFor('a new claim', async () => {
    const { version } = await us.cache.set({ namespace: 'lost-writes', key: 'after' })
    return !version.startsWith(`${epoch}-`)
  })
}
