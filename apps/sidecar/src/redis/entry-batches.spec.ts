import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { soon, startClaimedRedis } from '../primary/claimed-redis.spec-support.ts'

const entry = (key: string, text: string) => ({ key, value: Buffer.from(text), contentType: 'text/plain' })
const UNAVAILABLE = { status: 'rejected', reason: { details: { reason: 'DATA_UNAVAILABLE' } } }
const EVENTUAL = { primary: false }

async function readCommands({ process }: Awaited<ReturnType<typeof startClaimedRedis>>): Promise<number> {
  const stats = String(await process.command('INFO', 'commandstats'))
  return Number(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

it('reads what one turn asks for of a namespace together, each what reading it alone gives', async () => {
  await using redis = await startClaimedRedis()
  const { data, writer } = redis
  const names = ['ä', 'b', '', '日本'].map((name) => `${name}-key`)
  for (const namespace of ['n', 'm'])
    await writer.setEntries(
      namespace,
      names.map((name) => entry(name, `${namespace} ${name}`)),
      soon(),
    )
  await writer.setEntries('n', [{ ...entry('gone', 'x'), expiresAtMs: Date.now() - 1 }], soon())
  await writer.clearNamespace('m', soon())
  await writer.setEntries('m', [entry('after', 'm after')], soon())
  const asked = [...names, 'gone', 'after', 'never', names[0] as string]
  const before = await readCommands(redis)
  const reads = ['n', 'm'].flatMap((namespace) => asked.map((key) => ({ namespace, key })))
  const found = await Promise.all(reads.map(({ namespace, key }) => data.readEntry(namespace, key, EVENTUAL)))
  expect(await readCommands(redis)).toBe(before + 2 * Math.ceil(asked.length / 3))
  for (const [i, { namespace, key }] of reads.entries()) {
    const alone = await data.readEntries(namespace, [key], { primary: true, bytesMax: 0 })
    expect(found[i]).toEqual({ entry: alone.entries[0], clock: alone.clock })
  }
  expect(found.filter((one) => one.entry).length).toBe(names.length + 1 + 1)
})

it('reads many as several commands, and what it gave stays as it was', async () => {
  await using redis = await startClaimedRedis()
  const { data, writer } = redis
  const keys = Array.from({ length: 150 }, (_, i) => `k${i}`)
  const write = (text: string) =>
    writer.setEntries(
      'n',
      keys.map((key) => entry(key, `${text} ${key}`)),
      soon(),
    )
  const read = () => Promise.all(keys.map((key) => data.readEntry('n', key, EVENTUAL)))
  const texts = (found: Awaited<ReturnType<typeof read>>) => found.map((one) => String(one.entry?.value))
  await write('first')
  const before = await readCommands(redis)
  const first = await read()
  expect(await readCommands(redis)).toBe(before + Math.ceil(keys.length / 3))
  await write('other')
  const other = await read()
  expect(texts(first)).toEqual(keys.map((key) => `first ${key}`))
  expect(texts(other)).toEqual(keys.map((key) => `other ${key}`))
})

it('fails all that were asked for when Redis is gone, and never says that it has none', async () => {
  await using redis = await startClaimedRedis()
  const { data, process } = redis
  const read = () => Promise.allSettled(['a', 'b'].map((key) => data.readEntry('n', key, EVENTUAL)))
  expect((await read()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled'])
  await process.kill('SIGSTOP')
  const asked = read()
  await setImmediate()
  await process.kill()
  for (const outcomes of [await asked, await read()])
    expect(outcomes).toMatchObject([UNAVAILABLE, UNAVAILABLE])
})
