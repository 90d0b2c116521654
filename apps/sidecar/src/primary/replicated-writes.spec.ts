import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { RedisConnection } from '../redis/connection.ts'
import { FunctionLibrary } from '../redis/function-library.ts'
import { HistoryReader } from '../redis/history.ts'
import { type ClaimedRedis, soon, startClaimedRedis } from './claimed-redis.spec-support.ts'
import { ReplicatedWrites, WAIT_MS_MAX } from './replicated-writes.ts'
import { Writer } from './writer.ts'

const LANES = 3

let redis: ClaimedRedis
let replica: RedisProcess
let writer: Writer
let lanes: readonly RedisConnection[]

beforeAll(async () => {
  redis = await startClaimedRedis()
  const { host, port } = redis.process
  replica = await startRedis({ config: [['replicaof', host, port]] })
  const options = {
    url: `redis://${host}:${port}`,
    timeoutMs: WAIT_MS_MAX + 2000,
    log: pino({ level: 'silent' }),
  }
  lanes = Array.from({ length: LANES }, (_, i) => new RedisConnection({ ...options, name: `lane-${i}` }))
  for (const lane of lanes) lane.start()
  writer = writerFor(1)
  await vi.waitFor(async () => {
    expect(lanes.every((lane) => lane.ready)).toBe(true)
    expect(String(await replica.command('INFO', 'replication'))).toContain('master_link_status:up')
  }, 10_000)
})

afterAll(async () => {
  for (const lane of lanes ?? []) lane.stop()
  await replica?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

/** Writes that so many replicas are to have. */
function writerFor(replicas: number): Writer {
  const { keys, library, claim, redisTime, connection } = redis
  const libraries = lanes.map((lane) => new FunctionLibrary(lane))
  const replicated = new ReplicatedWrites({ lanes: libraries, keys, replicas })
  const history = new HistoryReader({ connection, keys })
  return new Writer({ library, keys, claim, history, redisTime, logEntriesMax: 1000, replicated })
}

const entry = (key: string, value = 'v') => ({ key, value: Buffer.from(value), contentType: '' })
const within = (ms: number) => ({ deadlineMs: Date.now() + ms, durability: 'REPLICATED' as const })
const set = (key: string, demand = within(5000), more = {}) =>
  writer.setEntries('n', [entry(key)], { ...demand, ...more })
const refused = (reason: string) => ({ details: { reason } })

/** Runs while the replica is stopped. */
async function withoutReplica<T>(work: () => Promise<T>): Promise<T> {
  await replica.kill('SIGSTOP')
  try {
    return await work()
  } finally {
    await replica.kill('SIGCONT')
  }
}

async function positionAtReplica(): Promise<string> {
  return String(await replica.command('GET', redis.keys.clock))
}

it('acknowledges a write once a replica has it', async () => {
  for (let i = 0; i < 50; i++) {
    const { position } = await set(`k${i}`)
    expect(await positionAtReplica()).toBe(`${position.epoch}-${position.seq}`)
  }
})

it('acknowledges hundreds that come at once in a few groups', async () => {
  const before = Number(await redis.connection.call('GET', redis.keys.seal))
  const count = async () =>
    Number(/cmdstat_wait:calls=(\d+)/.exec(String(await redis.connection.call('INFO', 'commandstats')))?.[1])
  const waits = await count()
  const outcomes = await Promise.all(Array.from({ length: 300 }, (_, i) => set(`many${i}`)))
  expect(new Set(outcomes.map((o) => o.position.seq)).size).toBe(300)
  expect((await count()) - waits).toBeLessThanOrEqual(3)
  expect(Number(await redis.connection.call('GET', redis.keys.seal))).toBeGreaterThan(before)
})

it('says OUTCOME_UNKNOWN within the deadline while no replica answers, and PRIMARY goes on', async () => {
  await withoutReplica(async () => {
    const startedMs = Date.now()
    const lost = Array.from({ length: 20 }, (_, i) => set(`lost${i}`, within(600)))
    await expect(writer.setEntries('n', [entry('primary')], soon())).resolves.toBeDefined()
    for (const outcome of await Promise.allSettled(lost)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: refused('OUTCOME_UNKNOWN') })
    }
    expect(Date.now() - startedMs).toBeLessThan(600)
  })
  await expect(set('after')).resolves.toBeDefined()
})

it('goes on waiting for what it has, beside later writes, until a slow replica has it', async () => {
  const writes = await withoutReplica(async () => {
    const slow = [set('slow', within(10_000))]
    // Longer than one WAIT, with others coming in on every lane meanwhile.
    const until = Date.now() + WAIT_MS_MAX + 300
    while (Date.now() < until) {
      slow.push(set(`slow${slow.length}`, within(10_000)))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return slow
  })
  const outcomes = await Promise.all(writes)
  expect(new Set(outcomes.map((o) => o.position.seq)).size).toBe(writes.length)
})

it('waits for replicas again when it gives a first answer again', async () => {
  const request = { requestId: 'again' }
  await withoutReplica(async () => {
    const first = { ...within(400), ...request }
    await expect(set('again', first)).rejects.toMatchObject(refused('OUTCOME_UNKNOWN'))
    // Remembered now, but no replica has it, whatever connection asks.
    for (let i = 0; i < LANES + 1; i++) {
      const again = { ...within(300), ...request }
      await expect(set('again', again)).rejects.toMatchObject(refused('OUTCOME_UNKNOWN'))
    }
  })
  const { position } = await set('again', { ...within(5000), ...request })
  const replicated = String(await replica.command('GET', redis.keys.clock)).split('-')
  expect(Number(replicated[1])).toBeGreaterThanOrEqual(position.seq)
})

it('tells a refusal at once, whatever the replicas do', async () => {
  await set('there')
  await withoutReplica(async () => {
    const startedMs = Date.now()
    const precondition = { precondition: { exists: false } }
    await expect(set('there', within(5000), precondition)).rejects.toMatchObject(
      refused('PRECONDITION_FAILED'),
    )
    expect(Date.now() - startedMs).toBeLessThan(1000)
  })
})

it('does not acknowledge what replicas confirm after the claim has ended', async () => {
  const { claim, library, keys } = redis
  const { position } = await set('before')
  const late = await withoutReplica(async () => {
    const write = set('late', within(5000))
    await vi.waitFor(async () => {
      expect(Number(String(await redis.connection.call('GET', keys.clock)).split('-')[1])).toBe(
        position.seq + 1,
      )
    })
    await library.call('release', [keys.clock], [claim.epoch ?? 0])
    return write.then(
      () => 'acknowledged',
      (error) => error.details.reason,
    )
  })
  expect(late).toBe('OUTCOME_UNKNOWN')
  await claim.refresh()
  await vi.waitFor(() => expect(claim.epoch).toBeGreaterThan(position.epoch))
  await expect(set('next')).resolves.toBeDefined()
})

it('says OUTCOME_UNKNOWN when its connection is lost, and takes the next write on another', async () => {
  await withoutReplica(async () => {
    const lost = set('lost', within(5000))
    await vi.waitFor(async () => {
      expect(String(await redis.connection.call('CLIENT', 'LIST'))).toMatch(/perigee-lane.*cmd=wait/)
    })
    const connects = lanes.map((lane) => lane.connects)
    for (const lane of lanes) lane.reset()
    await expect(lost).rejects.toMatchObject(refused('OUTCOME_UNKNOWN'))
    await vi.waitFor(() => expect(lanes.every((lane, i) => lane.connects > (connects[i] ?? 0))).toBe(true))
  })
  await expect(set('next')).resolves.toBeDefined()
})

it('counts a replica once, though a connection that it has lost is still open at the primary', async () => {
  const { host, port } = redis.process
  const fromReplica: Socket[] = []
  const toPrimary: Socket[] = []
  // The primary isn't told that the replica has gone.
  const relay = createServer((socket) => {
    const primary = connect(port, host)
    for (const end of [socket, primary]) end.on('error', () => {})
    socket.pipe(primary, { end: false })
    primary.pipe(socket, { end: false })
    fromReplica.push(socket)
    toPrimary.push(primary)
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  await redis.process.command('CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
  const behindRelay = await startRedis()
  try {
    await behindRelay.command('REPLICAOF', '127.0.0.1', String((relay.address() as AddressInfo).port))
    await vi.waitFor(
      async () =>
        expect(String(await behindRelay.command('INFO', 'replication'))).toContain('link_status:up'),
      10_000,
    )
    await withoutReplica(async () => {
      const written = writerFor(2).setEntries('n', [entry('counted-once')], within(4000))
      const told = expect(written).rejects.toMatchObject(refused('OUTCOME_UNKNOWN'))
      await vi.waitFor(async () => {
        const has = String(await behindRelay.command('GET', redis.keys.clock))
        expect(has).toBe(String(await redis.process.command('GET', redis.keys.clock)))
      }, 5000)
      await vi.waitFor(async () => {
        const [, offset, replicas] = (await redis.process.command('ROLE')) as [string, number, string[][]]
        expect(replicas).toContainEqual([expect.anything(), String(behindRelay.port), String(offset)])
      }, 5000)
      for (const socket of fromReplica.splice(0)) socket.destroy()
      await told
      const info = String(await redis.process.command('INFO', 'replication'))
      expect(info.split(`port=${behindRelay.port},state=online`)).toHaveLength(3)
    })
  } finally {
    for (const socket of [...fromReplica, ...toPrimary]) socket.destroy()
    relay.close()
    await behindRelay[Symbol.asyncDispose]()
  }
})
