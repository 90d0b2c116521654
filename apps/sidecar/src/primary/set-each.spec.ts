import { formatPosition } from '@perigee/core'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { StoredEntry } from '../redis/entry-codec.ts'
import { HistoryReader } from '../redis/history.ts'
import { LeanRedis } from '../redis/lean-redis.ts'
import { type ClaimedRedis, soon, startClaimedRedis } from './claimed-redis.spec-support.ts'
import { type SetDemand, SetEach, type SetEachOutcome } from './set-each.ts'
import { outcomeOf, type WriteOutcome } from './writer.ts'

let redis: ClaimedRedis
let setEach: SetEach

const epoch = () => redis.claim.epoch as number
const set = (key: string, value = key, more: Partial<SetDemand> = {}): SetDemand => ({
  ...soon(),
  entry: { key, value: Buffer.from(value), contentType: 'text/plain' },
  ...more,
})

async function entriesOf(...keys: string[]): Promise<(StoredEntry | undefined)[]> {
  const asked = { primary: false, bytesMax: Number.MAX_SAFE_INTEGER }
  return (await redis.data.readEntries('n', keys, asked)).entries as (StoredEntry | undefined)[]
}

/** What became of each, those written now as a Set alone tells it. */
async function write(namespace: string, sets: readonly SetDemand[], now: number) {
  const { clusterId, writtenAtMs, each } = await setEach.write(namespace, sets, now)
  return each.map((outcome) =>
    typeof outcome === 'number' ? outcomeOf(clusterId, [now, outcome, 1, writtenAtMs * 1000, 1]) : outcome,
  )
}

async function valuesOf(...keys: string[]) {
  return (await entriesOf(...keys)).map((entry) => entry && Buffer.from(entry.value).toString())
}

const done = (outcome: SetEachOutcome | undefined) => {
  if (!outcome || outcome === 'not-done' || outcome instanceof Error) throw new Error(`not done: ${outcome}`)
  return outcome as WriteOutcome
}

describe.each(['over ioredis', 'over a connection of its own'])('%s', (way) => {
  let lean: LeanRedis | undefined

  beforeAll(async () => {
    redis = await startClaimedRedis()
    const { library, keys, redisTime, connection, process } = redis
    const history = new HistoryReader({ connection, keys })
    if (way !== 'over ioredis') {
      const one = new LeanRedis({
        name: 'sets',
        url: process.url,
        timeoutMs: 5000,
        log: pino({ level: 'silent' }),
      })
      one.start()
      await vi.waitFor(() => expect(one.ready).toBe(true), 5000)
      lean = one
    }
    setEach = new SetEach({ library, ...(lean && { lean }), keys, history, redisTime })
  })

  afterAll(async () => {
    lean?.stop()
    await redis?.[Symbol.asyncDispose]()
  })

  it('writes each as one Set would, in order, each at a position of its own', async () => {
    const outcomes = (
      await write(
        'n',
        ['a', 'b', 'c'].map((key) => set(key)),
        epoch(),
      )
    ).map(done)
    expect(await valuesOf('a', 'b', 'c')).toEqual(['a', 'b', 'c'])
    const [a, b, c] = outcomes as [WriteOutcome, WriteOutcome, WriteOutcome]
    expect([b.position.seq - a.position.seq, c.position.seq - b.position.seq]).toEqual([1, 1])
    expect(await redis.data.clock({ primary: true })).toEqual(c.position)
    const alone = await redis.writer.setEntries('n', [set('d').entry], soon())
    expect(alone.position.seq).toBe(c.position.seq + 1)
    expect(Object.keys(a).sort()).toEqual(Object.keys(alone).sort())
    const entries = await entriesOf('a', 'd')
    expect(entries[0]).toEqual({
      ...entries[1],
      ...{ key: 'a', value: entries[0]?.value, position: a.position, writtenAtMs: a.writtenAtMs },
    })
  })

  it('writes a key twice in the order given', async () => {
    await write('n', [set('twice', '1'), set('twice', '2')], epoch())
    expect(await valuesOf('twice')).toEqual(['2'])
  })

  it('refuses one alone: by its precondition, its deadline, its request id', async () => {
    await write('n', [set('there'), set('kept', '1', { requestId: 'used', bodyHash: 'aaaa' })], epoch())
    const before = await redis.data.clock({ primary: true })
    const outcomes = await write(
      'n',
      [
        set('fine-1'),
        set('there', 'new', { precondition: { exists: false } }),
        set('late', 'late', { deadlineMs: Date.now() - 1000 }),
        set('reused', 'reused', { requestId: 'used', bodyHash: 'bbbb' }),
        set('kept', '2', { requestId: 'used', bodyHash: 'aaaa' }),
        set('fine-2', 'fine', { precondition: { exists: false } }),
      ],
      epoch(),
    )
    expect(outcomes.map((outcome) => (outcome as { details?: { reason?: string } }).details?.reason)).toEqual(
      [...[undefined, 'PRECONDITION_FAILED', undefined, 'INVALID_FIELD', undefined, undefined]],
    )
    expect(outcomes[2]).toMatchObject({ status: 'DEADLINE_EXCEEDED' })
    // The first answer once more.
    expect(done(outcomes[4]).position.seq).toBe(before.seq)
    expect(await valuesOf('fine-1', 'there', 'late', 'reused', 'kept', 'fine-2')).toEqual([
      ...['fine-1', 'there', undefined, undefined, '1', 'fine'],
    ])
    expect((await redis.data.clock({ primary: true })).seq).toBe(before.seq + 2)
  })

  it('remembers the answer of each request id, for as long as of a Set alone', async () => {
    const sets = Array.from({ length: 100 }, (_, i) =>
      set(`many-${i}`, 'v', { requestId: `id-${i}`, bodyHash: 'cccc' }),
    )
    const first = (await write('n', sets, epoch())).map(done)
    const again = (await write('n', sets, epoch())).map(done)
    expect(again).toEqual(first)
    const alone = { ...soon(), requestId: 'id-7', bodyHash: 'cccc' }
    const { entry } = sets[7] as SetDemand
    expect(await redis.writer.setEntries('n', [entry], alone)).toEqual(first[7])
    const { keys, connection } = redis
    const kept = await connection.call('HGET', keys.done, keys.requestName('Set', 'n', 'id-99'))
    expect(String(kept).split(' ').slice(0, 4)).toEqual([
      ...['cccc', String(epoch()), String(first[99]?.position.seq), '1'],
    ])
  })

  it('does one once that comes twice in one call, and keeps each one’s own expiry, condition and type', async () => {
    const twice = set('once', '1', { requestId: 'same', bodyHash: 'dddd' })
    const typed = set('typed', '{}')
    const outcomes = await write(
      'n',
      [
        ...[twice, twice, set('once', '2', { requestId: 'same', bodyHash: 'eeee' })],
        { ...typed, entry: { ...typed.entry, contentType: 'application/json', ttlMs: 60_000 } },
        set('never', '1', { precondition: { exists: true } }),
        set('after', '1'),
      ],
      epoch(),
    )
    expect(done(outcomes[1])).toEqual(done(outcomes[0]))
    expect(outcomes[2]).toMatchObject({ details: { reason: 'INVALID_FIELD' } })
    expect(outcomes[4]).toMatchObject({ details: { reason: 'PRECONDITION_FAILED' } })
    expect(done(outcomes[5]).position.seq).toBe(done(outcomes[0]).position.seq + 2)
    const entries = await entriesOf('once', 'typed', 'after')
    expect(entries.map((entry) => entry?.contentType)).toEqual([
      ...['text/plain', 'application/json', 'text/plain'],
    ])
    expect(entries.map((entry) => entry?.expiresAtMs !== undefined)).toEqual([false, true, false])
  })

  it('knows a version, and lets an entry expire', async () => {
    const [first] = await write('n', [set('v', '1')], epoch())
    const version = formatPosition(done(first).position)
    const [same, other, short] = await write(
      'n',
      [
        set('v', '2', { precondition: { version } }),
        set('v', '3', { precondition: { version } }),
        { ...set('short'), entry: { ...set('short').entry, ttlMs: 30 } },
      ],
      epoch(),
    )
    done(same)
    expect(other).toMatchObject({ details: { reason: 'PRECONDITION_FAILED' } })
    done(short)
    expect(await valuesOf('v')).toEqual(['2'])
    await expect.poll(() => valuesOf('short')).toEqual([undefined])
  })

  it('has nothing done in an epoch that is not claimed, and says so of each', async () => {
    expect(await write('n', [set('fenced')], epoch()).then(([outcome]) => typeof outcome)).toBe('object')
    const { clock } = redis.keys
    const held = await redis.connection.call('GET', clock)
    await redis.connection.call('SET', clock, `${epoch() + 1}-1`)
    try {
      expect(await write('n', [set('x'), set('y')], epoch())).toEqual(['not-done', 'not-done'])
    } finally {
      await redis.connection.call('SET', clock, String(held))
    }
    expect(await valuesOf('x', 'y')).toEqual([undefined, undefined])
  })

  it('fails as a whole, with nothing done, where Redis is full', async () => {
    await redis.connection.call('CONFIG', 'SET', 'maxmemory', 1)
    try {
      const outcomes = await write('n', [set('full-1'), set('full-2')], epoch())
      for (const outcome of outcomes) expect(outcome).toMatchObject({ details: { reason: 'OUT_OF_MEMORY' } })
    } finally {
      await redis.connection.call('CONFIG', 'SET', 'maxmemory', 0)
    }
    expect(await valuesOf('full-1')).toEqual([undefined])
  })

  it('whose connection is lost meanwhile may have been done, and is done later by another', async () => {
    await redis.process.command('CLIENT', 'PAUSE', '1000', 'WRITE')
    const lost = write('n', [set('lost')], epoch())
    const kill = way === 'over ioredis' ? 'perigee-spec' : 'perigee-sets'
    const list = String(await redis.process.command('CLIENT', 'LIST'))
    const ids = list
      .split('\n')
      .filter((line) => line.includes(`name=${kill} `))
      .map((line) => /id=(\d+)/.exec(line)?.[1])
    for (const id of ids) await redis.process.command('CLIENT', 'KILL', 'ID', String(id))
    const [outcome] = await lost
    expect(outcome).toMatchObject({ details: { reason: 'OUTCOME_UNKNOWN' } })
    await redis.process.command('CLIENT', 'UNPAUSE')
    await vi.waitFor(async () => done((await write('n', [set('later')], epoch()))[0]), 5000)
  })
})
