import { createServer, type Server, type Socket } from 'node:net'
import { startRedis } from '@perigee/embedded-redis'
import { Pieces } from '@perigee/protocol'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { LeanRedis, type ListReply } from './lean-redis.ts'
import { textsOf } from './pieces.spec-support.ts'

const log = pino({ level: 'silent' })
/** Reads keys: half of them by name, half by what comes after a prefix. */
function mget<T = (string | null)[]>(
  values: LeanRedis,
  keys: readonly string[],
  take: (found: Pieces) => T = textsOf as never,
): Promise<T> {
  const half = keys.length >> 1
  const ends = Pieces.of(keys.slice(half).map((key) => key.slice(1)))
  const [first = ''] = keys.slice(half)
  return values.mget(keys.slice(0, half), { prefix: Buffer.from(first.slice(0, 1)), ends }, take)
}

async function reader(url: string, timeoutMs = 2_000): Promise<LeanRedis> {
  const values = new LeanRedis({ name: 'values', url, timeoutMs, log })
  onTestFinished(() => values.stop())
  values.start()
  return values
}

const connected = (values: LeanRedis) => vi.waitFor(() => expect(values.ready).toBe(true), 5_000)

/** Says what it is told to, whatever it is asked. */
async function talker(onData: (socket: Socket, text: string) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => onData(socket, String(bytes)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`
}

const greeted = (socket: Socket, text: string) => {
  if (text.includes('SETNAME')) socket.write('+OK\r\n')
}

describe('a reader of values', () => {
  it('reads what is there, of any bytes and sizes, and knows what is missing', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    const wanted = [0, 1, 20, 300, 70_000, 1_000_000].map((size) => 'é\r\n$-1'.repeat(size).slice(0, size))
    const nameOf = (i: number) => `schlüssel ${i}${'x'.repeat(i * 40)}`
    for (const [i, text] of wanted.entries()) await redis.command('SET', nameOf(i), text)
    const keys = [...wanted.keys()].flatMap((i) => [nameOf(i), `sonst ${i}`])
    const read = await mget(values, keys)
    expect(read).toEqual(wanted.flatMap((text) => [text, null]))
  })

  it('answers many calls at a time, each with its own', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    for (let i = 0; i < 100; i++) await redis.command('SET', `k${i}`, `${i} `.repeat(i * 10))
    const calls = Array.from({ length: 3_000 }, (_, i) => mget(values, [`k${i % 100}`, `k${(i * 7) % 100}`]))
    for (const [i, read] of (await Promise.all(calls)).entries()) {
      const [a, b] = [i % 100, (i * 7) % 100]
      expect(read).toEqual([`${a} `.repeat(a * 10), `${b} `.repeat(b * 10)])
    }
  })

  it('takes no Redis for silent whose answers it hadn’t the time to read', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url, 200)
    await connected(values)
    await redis.command('SET', 'k', 'v')
    for (let i = 0; i < 3; i++) {
      const asked = mget(values, ['k'])
      for (const untilMs = performance.now() + 500; performance.now() < untilMs; );
      expect(await asked).toEqual(['v'])
    }
  })

  it('logs in, and says its name', async () => {
    await using redis = await startRedis()
    await redis.command(
      'ACL',
      'SETUSER',
      'some@one',
      'on',
      '>p@ss word',
      '~*',
      '+mget',
      '+select',
      '+client|setname',
    )
    const { host } = new URL(redis.url)
    const values = await reader(`redis://some%40one:p%40ss%20word@${host}/3`)
    await connected(values)
    expect(await mget(values, ['k'])).toEqual([null])
    expect(String(await redis.command('CLIENT', 'LIST'))).toMatch(/name=perigee-values .*db=3 /)
  })

  it('fails with Redis’s own word when it refuses, and goes on', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    await redis.command('ACL', 'SETUSER', 'default', '-mget')
    await expect(mget(values, ['k'])).rejects.toMatchObject({ kind: 'refused', word: 'NOPERM' })
    await redis.command('ACL', 'SETUSER', 'default', '+mget')
    expect(await mget(values, ['k'])).toEqual([null])
  })

  it('tells a caller what its own look at the values throws, and goes on', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    const bad = mget(values, ['k'], () => {
      throw new Error('not what was wanted')
    })
    await expect(bad).rejects.toThrow('not what was wanted')
    expect(await mget(values, ['k'])).toEqual([null])
  })

  it('calls a function with texts, bytes and numbers of any size, many at a time, each with its own reply', async () => {
    await using redis = await startRedis()
    const echo =
      "#!lua name=l\nredis.register_function('echo', function(k, a) return { k[1], #a, a[1], a[2], false } end)"
    await redis.command('FUNCTION', 'LOAD', echo)
    const lean = await reader(redis.url)
    await connected(lean)
    const sizes = [0, 1, 1000, 15_000, 20_000, 100_000, 3_000_000, 10, 500_000]
    const calls = [...sizes, ...sizes].map((size, i) => {
      const bytes = Buffer.alloc(size, i)
      const take = (reply: ListReply) => {
        expect((reply[3] as Buffer).equals(bytes)).toBe(true)
        return [String(reply[0]), reply[1], String(reply[2]), reply[4]]
      }
      const command = ['FCALL', 'echo', 1, `schlüssel ${i}`, 'ä€', bytes, 1.5]
      return lean.list((written) => written.add(...command), take)
    })
    for (const [i, reply] of (await Promise.all(calls)).entries())
      expect(reply).toEqual([`schlüssel ${i}`, 3, 'ä€', null])
    const none = lean.list(
      (written) => written.add('FCALL', 'none', 0),
      () => {},
    )
    await expect(none).rejects.toMatchObject({ kind: 'refused', word: 'ERR' })
  })

  it('is down while Redis is, and comes back with it', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    await redis.kill()
    await vi.waitFor(() => expect(values.ready).toBe(false), 5_000)
    await expect(mget(values, ['k'])).rejects.toMatchObject({ kind: 'down' })
    await redis.start()
    await connected(values)
    expect(await mget(values, ['k'])).toEqual([null])
  })

  it('leaves a Redis that is silent, and fails what waits', async () => {
    const url = await talker(greeted)
    const values = await reader(url, 200)
    await connected(values)
    const start = performance.now()
    await expect(mget(values, ['k'])).rejects.toMatchObject({ kind: 'lost' })
    expect(performance.now() - start).toBeLessThan(1_000)
  })

  it('reads replies that come byte by byte, or cut anywhere', async () => {
    const reply = '*3\r\n$5\r\nab\r\nc\r\n$-1\r\n$0\r\n\r\n'
    const url = await talker(async (socket, text) => {
      if (text.includes('SETNAME')) return greeted(socket, text)
      for (const character of reply) {
        socket.write(character)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    const values = await reader(url)
    await connected(values)
    for (let i = 0; i < 5; i++) expect(await mget(values, ['a', 'b', 'c'])).toEqual(['ab\r\nc', null, ''])
  })

  it('leaves one that talks nonsense', async () => {
    const url = await talker((socket, text) => {
      if (text.includes('SETNAME')) greeted(socket, text)
      else socket.write('*1\r\n:1\r\n')
    })
    const values = await reader(url)
    await connected(values)
    await expect(mget(values, ['a'])).rejects.toMatchObject({ kind: 'lost' })
  })

  it('ends when it is stopped, whatever it is doing', async () => {
    const values = await reader('redis://127.0.0.1:1')
    values.stop()
    await expect(mget(values, ['a'])).rejects.toMatchObject({ kind: 'down' })
  })
})
