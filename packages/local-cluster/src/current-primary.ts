import { type RedisAddress, redisCall } from '@perigee/embedded-redis'
import { type Address, addressText } from './address.ts'
import { sentinelGroup } from './server-configs.ts'

const askTimeoutMs = 500

export interface RegionServers {
  readonly name: string
  /** By which Sentinels know its data Redis. */
  readonly public: Address
  readonly dataRedis: RedisAddress
  readonly sentinel?: RedisAddress
}

/** The region whose Redis the newest configuration of any Sentinel names; undefined when none answers. */
export async function primaryBySentinels(regions: readonly RegionServers[]): Promise<string | undefined> {
  const views = await Promise.all(regions.map(({ sentinel }) => viewOf(sentinel)))
  const newest = views
    .filter((view) => view !== undefined)
    .reduce<View | undefined>((a, b) => (a === undefined || b.epoch > a.epoch ? b : a), undefined)
  return regions.find((region) => addressText(region.public) === newest?.address)?.name
}

/**
 * Without Sentinels: the region whose Redis is a master. Of several, the one that was the primary before, for as long as
 * it is one of them.
 */
export async function primaryByRole(
  regions: readonly RegionServers[],
  before: string,
): Promise<string | undefined> {
  const roles = await Promise.all(regions.map(({ dataRedis }) => ask(dataRedis, ['ROLE'])))
  const masters = regions.filter((_, i) => (roles[i] as unknown[] | undefined)?.[0] === 'master')
  return (masters.find(({ name }) => name === before) ?? masters[0])?.name
}

interface View {
  readonly address: string
  readonly epoch: number
}

async function viewOf(sentinel: RedisAddress | undefined): Promise<View | undefined> {
  if (sentinel === undefined) return undefined
  const row = (await ask(sentinel, ['SENTINEL', 'MASTER', sentinelGroup])) as string[] | undefined
  if (row === undefined) return undefined
  const field = (name: string) => row[row.indexOf(name) + 1] ?? ''
  return { address: `${field('ip')}:${field('port')}`, epoch: Number(field('config-epoch')) }
}

/** One that is down or paused has no say. */
function ask(address: RedisAddress, args: readonly string[]): Promise<unknown> {
  return redisCall(address, args, { timeoutMs: askTimeoutMs }).catch(() => undefined)
}
