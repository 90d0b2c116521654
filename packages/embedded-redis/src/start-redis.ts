import { createServer } from 'node:net'
import { findRedis } from './find-redis.ts'
import { type RedisOptions, RedisProcess } from './redis-process.ts'

const portAttempts = 5

/**
 * Starts a Redis (or a Sentinel) and waits until it answers. By default it is the one {@link findRedis} finds, on a free
 * port of 127.0.0.1, in a temporary folder.
 *
 * ```ts
 * await using redis = await startRedis({ search: true })
 * await redis.command('FT._LIST')
 * ```
 */
export async function startRedis(options: Partial<RedisOptions> = {}): Promise<RedisProcess> {
  const installation = options.installation ?? (await findRedis())
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(options.host ?? '127.0.0.1'))
    const redis = new RedisProcess({ ...options, installation, port })
    try {
      await redis.start()
      return redis
    } catch (error) {
      await redis[Symbol.asyncDispose]()
      // A port found free may be taken by the time Redis binds it.
      const taken = String(error).includes('Address already in use')
      if (!taken || options.port !== undefined || attempt === portAttempts) throw error
    }
  }
}

async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error(`no free port on ${host}`)
  return address.port
}
