import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { RedisConnection } from '../redis/connection.ts'
import { Keys } from '../redis/keys.ts'
import { ReplicaPriority } from './replica-priority.ts'

const log = pino({ level: 'silent' })
const keys = new Keys('pg')

async function start() {
  const [data, memory] = await Promise.all([startRedis(), startRedis()])
  const connections = [data, memory].map(({ host, port }) => {
    const connection = new RedisConnection({
      url: `redis://${host}:${port}`,
      ...{ name: 'spec', timeoutMs: 5000, log },
    })
    connection.start()
    return connection
  }) as [RedisConnection, RedisConnection]
  await vi.waitFor(() => expect(connections.every(({ ready }) => ready)).toBe(true), 5000)
  const make = () => new ReplicaPriority({ data: connections[0], memory: connections[1], keys, log })
  const priority = async () => ((await data.command('CONFIG', 'GET', 'replica-priority')) as string[])[1]
  return {
    ...{ data, memory, make, priority },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.stop()
      await Promise.all([data[Symbol.asyncDispose](), memory[Symbol.asyncDispose]()])
    },
  }
}

it('is raised before all others, and restored to what it was, in the configuration as well', async () => {
  await using here = await start()
  await here.data.command('CONFIG', 'SET', 'replica-priority', '70')
  const priority = here.make()
  await priority.raise()
  expect(await here.priority()).toBe('1')
  await here.data.command('CONFIG', 'REWRITE')
  // Raised once more before it was restored.
  await priority.raise()
  await priority.restore()
  expect(await here.priority()).toBe('70')
  expect(await here.memory.command('EXISTS', keys.raisedPriority)).toBe(0)
  await here.data.kill()
  await here.data.start()
  expect(await here.priority()).toBe('70')
  priority.stop()
})

it('is restored by another process when the one that raised it is gone, and not while it lives', async () => {
  await using here = await start()
  const raised = here.make()
  await raised.raise()
  const other = here.make()
  other.start()
  await vi.waitFor(async () => expect(await here.memory.command('GET', keys.raisedPriority)).not.toBeNull())
  expect(await here.priority()).toBe('1')
  raised.stop()
  await here.memory.command('SET', keys.raisedPriority, `100 ${Date.now() - 1}`)
  await vi.waitFor(async () => expect(await here.priority()).toBe('100'), 10_000)
  other.stop()
})

it('leaves alone what nobody has raised', async () => {
  await using here = await start()
  await here.data.command('CONFIG', 'SET', 'replica-priority', '0')
  await here.make().restore()
  expect(await here.priority()).toBe('0')
})

it('keeps nothing to restore when the Redis refuses that it is raised', async () => {
  await using here = await start()
  const refusing = ['ACL', 'SETUSER', 'default', '-config|set']
  await here.data.command(...refusing)
  await expect(here.make().raise()).rejects.toMatchObject({ word: 'NOPERM' })
  expect(await here.memory.command('EXISTS', keys.raisedPriority)).toBe(0)
})
