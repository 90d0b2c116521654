import { createHash, randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { Link, Links } from './link.ts'
import { Relay } from './relay.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A server behind a relay, from region a (127.190.1.x) to region b (127.190.2.x). */
async function arrange(serve: (socket: Socket) => void, there: Partial<Link['settings']> = {}) {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.190.2.1', resolve))
  const to = new Link('a', 'b', there)
  const back = new Link('b', 'a')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no address')
  const relay = new Relay(
    {
      listen: { host: '127.190.2.1', port: 0 },
      target: { host: '127.190.2.1', port: address.port },
      from: undefined,
      to: 'b',
    },
    new Links([to, back]),
    (source) => (source.startsWith('127.190.1.') ? 'a' : source.startsWith('127.190.2.') ? 'b' : undefined),
  )
  await relay.listen()
  cleanups.push(async () => {
    await relay.close()
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { relay, to, back, server }
}

async function client(relay: Relay, localAddress = '127.190.1.1'): Promise<Socket> {
  const socket = connect({ ...relay.address, localAddress, noDelay: true, allowHalfOpen: true })
  socket.on('error', () => {})
  cleanups.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

const echo = (socket: Socket) => void socket.pipe(socket)

async function roundTrip(socket: Socket): Promise<number> {
  const start = performance.now()
  socket.write('x')
  await once(socket, 'data')
  return performance.now() - start
}

/** How long a timer really takes. */
async function timerOf(ms: number): Promise<number> {
  const start = performance.now()
  await new Promise((resolve) => setTimeout(resolve, ms))
  return performance.now() - start
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

async function bytesOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Unlike `once`, doesn't mind the error that comes before. */
function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

/** Resolves with what is true after the socket said nothing for a while. */
async function silence(socket: Socket, ms: number): Promise<'silent' | 'spoke'> {
  const timer = new AbortController()
  return Promise.race([
    once(socket, 'data', { signal: timer.signal }).then(() => 'spoke' as const),
    new Promise<'silent'>((resolve) => setTimeout(() => resolve('silent'), ms)),
  ]).finally(() => timer.abort())
}

describe('a relay', () => {
  // A busy machine can be late in all of a second's samples, hardly nine times running; what a relay adds it adds each time.
  it('adds the one-way delay, to a millisecond and a half, as near as timers come', {
    retry: 8,
  }, async () => {
    const { relay } = await arrange(echo, { delayMs: 35 })
    const socket = await client(relay)
    await roundTrip(socket)
    const times: number[] = []
    const timers: number[] = []
    for (let i = 0; i < 41; i++) {
      const [time, timer] = await Promise.all([roundTrip(socket), timerOf(35)])
      times.push(time)
      timers.push(timer)
    }
    expect(Math.min(...times)).toBeGreaterThanOrEqual(35)
    expect(median(times)).toBeLessThan(Math.max(36.5, median(timers) + 0.5))
  })

  it('adds nothing within a region', async () => {
    const { relay } = await arrange(echo, { delayMs: 200 })
    const socket = await client(relay, '127.190.2.7')
    await roundTrip(socket)
    expect(median([await roundTrip(socket), await roundTrip(socket), await roundTrip(socket)])).toBeLessThan(
      20,
    )
  })

  it('keeps every byte in order, whatever the sizes', async () => {
    const sent = randomBytes(3_000_000)
    const { relay } = await arrange((socket) => void bytesOf(socket).then((all) => socket.end(all)), {
      delayMs: 5,
    })
    const socket = await client(relay)
    const answer = bytesOf(socket)
    for (let at = 0; at < sent.length; ) {
      const size = randomInt(1, 50_000)
      if (!socket.write(sent.subarray(at, at + size))) await once(socket, 'drain')
      at += size
      if (at % 7 === 0) await turn()
    }
    socket.end()
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(hash(await answer)).toBe(hash(sent))
  })

  it("doesn't limit throughput by its delay", async () => {
    const bytes = 24 * 1024 * 1024
    const { relay } = await arrange(
      (socket) => void bytesOf(socket).then((all) => socket.end(String(all.length))),
      {
        delayMs: 100,
      },
    )
    const socket = await client(relay)
    const start = performance.now()
    socket.end(Buffer.alloc(bytes))
    expect((await bytesOf(socket)).toString()).toBe(String(bytes))
    // A window of 64 KiB per round trip would take over a minute.
    expect(performance.now() - start).toBeLessThan(5_000)
  })

  it('limits the rate that is asked for', async () => {
    const { relay } = await arrange(
      (socket) => void bytesOf(socket).then((all) => socket.end(String(all.length))),
      {
        bytesPerSecond: 100_000,
      },
    )
    const socket = await client(relay)
    const start = performance.now()
    socket.end(Buffer.alloc(50_000))
    expect((await bytesOf(socket)).toString()).toBe('50000')
    expect(performance.now() - start).toBeGreaterThan(450)
    expect(performance.now() - start).toBeLessThan(1_500)
  })

  it('resets existing and new connections of a cut link, and serves again when it opens', async () => {
    const { relay, to } = await arrange(echo)
    const socket = await client(relay)
    await roundTrip(socket)
    const closed = untilClosed(socket)
    to.set({ mode: 'cut' })
    await closed
    const refused = connect({ ...relay.address, localAddress: '127.190.1.1' })
    refused.on('error', () => {})
    await untilClosed(refused)
    to.set({ mode: 'open' })
    await roundTrip(await client(relay))
  })

  it('leaves connections of the other direction and within the region alone when one is cut', async () => {
    const { relay, to, back } = await arrange(echo)
    const fromB = await client(relay, '127.190.2.1')
    const fromA = await client(relay)
    back.set({ mode: 'cut' })
    await roundTrip(fromA)
    to.set({ mode: 'cut' })
    await roundTrip(fromB)
  })

  it('holds the bytes of a stalled link, keeps connections, and delivers all when it opens', async () => {
    const { relay, to } = await arrange(echo)
    const old = await client(relay)
    await roundTrip(old)
    to.set({ mode: 'stall' })
    const young = await client(relay)
    old.write('held')
    young.write('held too')
    expect(await Promise.all([silence(old, 150), silence(young, 150)])).toEqual(['silent', 'silent'])
    const answers = Promise.all([once(old, 'data'), once(young, 'data')])
    to.set({ mode: 'open' })
    expect((await answers).map(String)).toEqual(['held', 'held too'])
  })

  it("holds a stalled connection's end as well", async () => {
    const { relay, back } = await arrange((socket) => void socket.once('data', () => socket.destroy()))
    const socket = await client(relay)
    back.set({ mode: 'stall' })
    let ended = false
    socket.once('end', () => {
      ended = true
    })
    socket.resume()
    socket.write('die')
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(ended).toBe(false)
    const end = once(socket, 'end')
    back.set({ mode: 'open' })
    await end
  })

  it('stops reading from a sender whose bytes it holds', async () => {
    const { relay } = await arrange(echo, { mode: 'stall' })
    const socket = await client(relay)
    const piece = Buffer.alloc(1024 * 1024)
    let sent = 0
    // Until neither the relay nor the kernel takes more for a while.
    for (;;) {
      const taken = new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), 500)
        socket.write(piece, () => {
          clearTimeout(timer)
          resolve(true)
        })
      })
      if (!(await taken)) break
      sent += piece.length
      expect(sent).toBeLessThan(64 * 1024 * 1024)
    }
    expect(sent).toBeGreaterThan(4 * 1024 * 1024)
  })

  it('takes a new delay at once, also for what is under way', async () => {
    const { relay, to } = await arrange(echo, { delayMs: 30_000 })
    const socket = await client(relay)
    socket.write('slow')
    expect(await silence(socket, 50)).toBe('silent')
    const answer = once(socket, 'data')
    to.set({ delayMs: 1 })
    expect(String(await answer)).toBe('slow')
  })

  it('resets a client whose server is not there', async () => {
    const { relay, server } = await arrange(echo)
    await new Promise((resolve) => server.close(resolve))
    const socket = connect({ ...relay.address, localAddress: '127.190.1.1' })
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
  })

  it('refuses connections while it is paused, and keeps those there are', async () => {
    const { relay } = await arrange(echo)
    const address = relay.address
    const socket = await client(relay)
    await roundTrip(socket)
    relay.pause()
    const refused = connect({ ...address, localAddress: '127.190.1.1' })
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
    await roundTrip(socket)
    await relay.resume()
    await roundTrip(await client(relay))
  })
})
