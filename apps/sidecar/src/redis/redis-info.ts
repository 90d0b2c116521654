import type { RedisConnection } from './connection.ts'

/** What a Redis says of itself. */
export interface RedisInfo {
  readonly role: 'master' | 'replica'
  /** False while a replica isn't connected to its master. */
  readonly linkUp: boolean
  /** A replica copies the whole data set. */
  readonly syncing: boolean
  /** It loads its data from disk. */
  readonly loading: boolean
  readonly usedMemoryBytes: number
  /** Zero: unlimited. */
  readonly maxMemoryBytes: number
}

/**
 * Asks a Redis for its state.
 *
 * @throws RedisFailure
 */
export async function readRedisInfo(connection: RedisConnection): Promise<RedisInfo> {
  return parseRedisInfo(String(await connection.call('INFO')))
}

/** Reads the reply of INFO. */
export function parseRedisInfo(text: string): RedisInfo {
  const fields = new Map<string, string>()
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  const master = fields.get('role') === 'master'
  return {
    role: master ? 'master' : 'replica',
    linkUp: master || fields.get('master_link_status') === 'up',
    syncing: fields.get('master_sync_in_progress') === '1',
    loading: fields.get('loading') === '1',
    usedMemoryBytes: Number(fields.get('used_memory') ?? 0),
    maxMemoryBytes: Number(fields.get('maxmemory') ?? 0),
  }
}
