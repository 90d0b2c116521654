import { createServer, type Server, type Socket } from 'node:net'
import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ValueReader, type Values } from './value-reader.ts'

const log = pino({ level: 'silent' })
const texts = (values: Values) => values.map((value) => value && String(value))

async function reader(url: string, timeoutMs = 2_000): Promise<ValueReader> {
  const values = new ValueReader({ name: 'values', url, timeoutMs, log })
  onTestFinished(() => values.stop())
  values.start()
  return values
}

const connected = (values: ValueReader) => vi.waitFor(() => expect(values.ready).toBe(true), 5_000)

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
  if (text.includes('SETNAME')) socket.write('+OK\r\n+OK\r\n')
}

describe('a reader of values', () => {
  it('reads what is there, of any bytes and sizes, and knows what is missing', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    const wanted = [0, 1, 20, 300, 70_000, 1_000_000].map((size) => 'é\r\n$-1'.repeat(size).slice(0, size))
    for (const [i, text] of wanted.entries()) await redis.command('SET', `schlüssel ${i}`, text)
    const keys = [...wanted.keys()].flatMap((i) => [`schlüssel ${i}`, `none ${i}`])
    const read = await values.mget(keys, texts)
    expect(read).toEqual(wanted.flatMap((text) => [text, null]))
  })

  it('answers many calls at a time, each with its own', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    for (let i = 0; i < 100; i++) await redis.command('SET', `k${i}`, `${i} `.repeat(i * 10))
    const calls = Array.from({ length: 3_000 }, (_, i) =>
      values.mget([`k${i % 100}`, `k${(i * 7) % 100}`], texts),
    )
    for (const [i, read] of (await Promise.all(calls)).entries()) {
      const [a, b] = [i % 100, (i * 7) % 100]
      expect(read).toEqual([`${a} `.repeat(a * 10), `${b} `.repeat(b * 10)])
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
    expect(await values.mget(['k'], texts)).toEqual([null])
    expect(String(await redis.command('CLIENT', 'LIST'))).toMatch(/name=perigee-values .*db=3 /)
  })

  it('fails with Redis’s own word when it refuses, and goes on', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    await redis.command('ACL', 'SETUSER', 'default', '-mget')
    await expect(values.mget(['k'], texts)).rejects.toMatchObject({ kind: 'refused', word: 'NOPERM' })
    await redis.command('ACL', 'SETUSER', 'default', '+mget')
    expect(await values.mget(['k'], texts)).toEqual([null])
  })

  it('tells a caller what its own look at the values throws, and goes on', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    const bad = values.mget(['k'], () => {
      throw new Error('not what was wanted')
    })
    await expect(bad).rejects.toThrow('not what was wanted')
    expect(await values.mget(['k'], texts)).toEqual([null])
  })

  it('is down while Redis is, and comes back with it', async () => {
    await using redis = await startRedis()
    const values = await reader(redis.url)
    await connected(values)
    await redis.kill()
    await vi.waitFor(() => expect(values.ready).toBe(false), 5_000)
    await expect(values.mget(['k'], texts)).rejects.toMatchObject({ kind: 'down' })
    await redis.start()
    await connected(values)
    expect(await values.mget(['k'], texts)).toEqual([null])
  })

  it('leaves a Redis that is silent, and fails what waits', async () => {
    const url = await talker(greeted)
    const values = await reader(url, 200)
    await connected(values)
    const start = performance.now()
    await expect(values.mget(['k'], texts)).rejects.toMatchObject({ kind: 'lost' })
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
    for (let i = 0; i < 5; i++)
      expect(await values.mget(['a', 'b', 'c'], texts)).toEqual(['ab\r\nc', null, ''])
  })

  it('leaves one that talks nonsense', async () => {
    const url = await talker((socket, text) => {
      if (text.includes('SETNAME')) greeted(socket, text)
      else socket.write('*1\r\n:1\r\n')
    })
    const values = await reader(url)
    await connected(values)
    await expect(values.mget(['a'], texts)).rejects.toMatchObject({ kind: 'lost' })
  })

  it('ends when it is stopped, whatever it is doing', async () => {
    const values = await reader('redis://127.0.0.1:1')
    values.stop()
    await expect(values.mget(['a'], texts)).rejects.toMatchObject({ kind: 'down' })
  })
})
