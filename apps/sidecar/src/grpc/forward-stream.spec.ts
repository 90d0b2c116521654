import { setTimeout as delay } from 'node:timers/promises'
import { create } from '@bufbuild/protobuf'
import { Metadata, status } from '@grpc/grpc-js'
import {
  encodeStatusDetails,
  type ForwardManyRequest,
  ForwardManyResponseSchema,
  STATUS_DETAILS_KEY,
} from '@perigee/protocol'
import { expect, it } from 'vitest'
import { OPEN_ACCESS } from '../security/access.ts'
import { refusal } from '../status-error.ts'
import { failed, forwarder, never, peer, plainPeer, REGION } from './forwarding.spec-support.ts'
import { PeerRefused } from './peer-error.ts'

it('calls of one turn share a frame, and each has its own answer', async () => {
  const frames: ForwardManyRequest[] = []
  const { address, unary } = await plainPeer((stream) => {
    stream.on('data', (frame: ForwardManyRequest) => {
      frames.push(frame)
      const replies = frame.calls.map(({ id, request }) => ({
        id,
        result: { case: 'response' as const, value: { response: request?.request ?? new Uint8Array() } },
      }))
      stream.write(create(ForwardManyResponseSchema, { replies }))
    })
    stream.on('end', () => stream.end())
  })
  const { forward } = forwarder([address])
  await forward('first')
  const texts = Array.from({ length: 40 }, (_, i) => `call ${i}`)
  expect(await Promise.all(texts.map((text) => forward(text)))).toEqual(texts)
  expect(frames.map(({ calls }) => calls.length)).toEqual([1, 40])
  expect(frames[1]?.calls.map(({ request }) => request?.method)).toEqual(texts.map(() => 'any'))
  expect(unary).toEqual([])
})

it('a sidecar answers them by what answers unary ones, and keeps nothing of them', async () => {
  const { address, ended, server } = await peer()
  const { client, forward } = forwarder([address])
  const texts = Array.from({ length: 300 }, (_, i) => `call ${i}`)
  expect(await Promise.all(texts.map((text) => forward(text)))).toEqual(texts)
  expect(ended).toEqual(texts.map(() => 'Forward OK'))
  client.stop()
  await expect.poll(() => ended.at(-1)).toMatch(/^ForwardMany/)
  expect(server.callsInFlight).toBe(0)
  await expect.poll(() => server.connections).toMatchObject({ size: 0, bytesInFlight: 0 })
})

it('is told what the peer refuses a call with, and the next goes to another sidecar once that is asked for', async () => {
  const [one, other] = [await peer(), await peer()]
  one.handle = async () => {
    throw refusal('NOT_PRIMARY', 'elsewhere', { metadata: { primary: 'us-east-1' } })
  }
  const { client, forward } = forwarder([one.address, other.address])
  expect(await failed(forward('a'))).toMatchObject({
    ...{ name: 'StatusError', status: 'FAILED_PRECONDITION', message: 'elsewhere' },
    details: { reason: 'NOT_PRIMARY', metadata: { primary: 'us-east-1' } },
  })
  client.tryAnother(REGION)
  expect(await forward('b')).toBe('b')
  expect(other.ended).toEqual(['Forward OK'])
})

it('calls on a connection that breaks may have been done, and later ones go over another', async () => {
  const far = await peer()
  const { forward } = forwarder([far.address])
  await forward('before')
  const signals: AbortSignal[] = []
  far.handle = (_, { signal }) => {
    signals.push(signal)
    return never()
  }
  const calls = ['a', 'b', 'c'].map((text) => failed(forward(text)))
  await expect.poll(() => signals).toHaveLength(3)
  far.breakOff()
  for (const error of await Promise.all(calls)) {
    expect(error).toMatchObject({ name: 'PeerUnreachable', sent: true })
  }
  await expect.poll(() => signals.every(({ aborted }) => aborted)).toBe(true)
  far.handle = async ({ request }) => request
  await expect.poll(() => forward('after').catch(String)).toBe('after')
})

it('a peer that goes away answers what it has taken, and the rest is done by another', async () => {
  const [leaving, other] = [await peer(), await peer()]
  const { client, forward } = forwarder([leaving.address, other.address])
  client.start()
  await forward('before')
  let answer = () => {}
  leaving.handle = ({ request }) =>
    new Promise((resolve) => {
      answer = () => resolve(request)
    })
  const taken = forward('taken')
  await expect.poll(() => leaving.server.callsInFlight).toBe(1)
  const drained = leaving.server.drain(5_000)
  // Some of them may reach the stream before the news does.
  const meanwhile = Array.from({ length: 20 }, (_, i) => delay(i).then(() => forward(`meanwhile ${i}`)))
  const told = await Promise.all(meanwhile)
  expect(told).toEqual(meanwhile.map((_, i) => `meanwhile ${i}`))
  answer()
  expect(await taken).toBe('taken')
  await drained
  expect(other.ended.filter((end) => end === 'Forward OK')).toHaveLength(20)
  expect(leaving.ended.filter((end) => end === 'Forward OK')).toHaveLength(2)
})

it('a call that its caller gives up is given up at the peer, and others go on', async () => {
  const far = await peer()
  const { forward } = forwarder([far.address])
  const given: { signal?: AbortSignal } = {}
  let answer = () => {}
  far.handle = ({ request }, { signal }) => {
    if (Buffer.from(request).toString() === 'given up') given.signal = signal
    return new Promise((resolve) => {
      answer = () => resolve(request)
    })
  }
  const abort = new AbortController()
  const first = failed(forward('given up', { signal: abort.signal }))
  await expect.poll(() => given.signal).toBeDefined()
  const other = forward('other')
  await expect.poll(() => far.server.callsInFlight).toBe(2)
  abort.abort()
  expect(await first).toMatchObject({ name: 'PeerUnreachable', sent: true })
  await expect.poll(() => given.signal?.aborted).toBe(true)
  answer()
  expect(await other).toBe('other')
  expect(far.ended).toEqual(['Forward CANCELLED', 'Forward OK'])
})

it('a call tells how long it may take, and may have been done when that is over', async () => {
  const far = await peer()
  const { forward } = forwarder([far.address])
  await forward('before')
  const left: number[] = []
  far.handle = (_, { deadlineMs }) => {
    left.push(deadlineMs - Date.now())
    return never()
  }
  const startedAt = performance.now()
  expect(await failed(forward('slow', { timeoutMs: 300 }))).toMatchObject({
    ...{ name: 'PeerUnreachable', sent: true },
  })
  expect(performance.now() - startedAt).toBeGreaterThan(290)
  expect(left[0]).toBeGreaterThan(0)
  expect(left[0]).toBeLessThanOrEqual(301)
  await expect.poll(() => far.ended.length).toBe(2)
})

it('goes unary where the peer knows of no stream, and for what is large', async () => {
  const old = await plainPeer()
  const { forward } = forwarder([old.address])
  expect(await Promise.all([forward('a'), forward('b')])).toEqual(['a', 'b'])
  expect(old.unary).toEqual([1, 1])

  let frames = 0
  const today = await plainPeer((stream) => stream.on('data', () => frames++))
  const large = await forwarder([today.address]).forward('x'.repeat(40_000))
  expect([large.length, today.unary, frames]).toEqual([40_000, [40_000], 0])
})

it('goes unary when the peer has too much to do for a stream', async () => {
  const busy = await plainPeer((stream) => {
    stream.emit('error', busyError())
  })
  const { forward } = forwarder([busy.address])
  expect(await forward('a')).toBe('a')
  expect(busy.unary).toEqual([1])
})

it('a stream that ends with whatever error after a call was answered says nothing of the others', async () => {
  const far = await plainPeer((stream) =>
    stream.on('data', ({ calls: [call] }: ForwardManyRequest) => {
      const { id = 0, request } = call ?? {}
      if (Buffer.from(request?.request ?? '').toString() === 'fatal') return stream.emit('error', busyError())
      const result = { case: 'response' as const, value: { response: request?.request ?? Buffer.of() } }
      return stream.write(create(ForwardManyResponseSchema, { replies: [{ id, result }] }))
    }),
  )
  const { forward } = forwarder([far.address])
  expect(await forward('a')).toBe('a')
  expect(await failed(forward('fatal'))).toMatchObject({ name: 'PeerUnreachable', sent: true })
  expect(far.unary).toEqual([])
})

it('a stream is followed by another when what it shows is good no longer, and by none when nothing is', async () => {
  let good = 'first'
  const anybody = { principal: { name: '', kind: 'peer' as const } }
  const shown = new WeakMap<object, string>()
  const refused = () => refusal('UNAUTHENTICATED', 'not that one')
  const far = await peer({
    access: {
      ...OPEN_ACCESS,
      identify: ({ authorization }) => {
        if (authorization !== `Bearer ${good}`) throw refused()
        const identity = { ...anybody }
        shown.set(identity, good)
        return identity
      },
      checkStill: (identity) => {
        if (shown.get(identity) !== good) throw refused()
      },
    },
  })
  let token = 'first'
  const { client, forward } = forwarder([far.address], () => token)
  expect(await forward('a')).toBe('a')
  good = 'second'
  expect(await failed(forward('b'))).toBeInstanceOf(PeerRefused)
  token = 'second'
  expect(await Promise.all([forward('c'), forward('d')])).toEqual(['c', 'd'])
  const streams = () => far.ended.filter((end) => end.startsWith('ForwardMany'))
  await expect.poll(streams).toHaveLength(1)
  client.stop()
  await expect.poll(streams).toHaveLength(2)
})

it('goes unary for a while where a stream is refused that shows what unary calls are let in with', async () => {
  let refuses = false
  const far = await peer({
    access: {
      ...OPEN_ACCESS,
      checkStill: () => {
        if (refuses) throw refusal('UNAUTHENTICATED', 'expired')
      },
    },
  })
  const { forward } = forwarder([far.address])
  expect(await forward('a')).toBe('a')
  refuses = true
  for (let i = 0; i < 10; i++) expect(await forward(`call ${i}`)).toBe(`call ${i}`)
  expect(far.ended.filter((end) => end.startsWith('ForwardMany'))).toHaveLength(1)
})

it('more than a peer has room for are told so one by one, and those that it has begun go on', async () => {
  const far = await peer({ traffic: { bytesPerPeerMax: 1024 * 1024 } })
  let answer = () => {}
  const held = new Promise<void>((resolve) => {
    answer = resolve
  })
  far.handle = async ({ request }) => {
    await held
    return request
  }
  const { forward } = forwarder([far.address])
  const text = 'x'.repeat(30_000)
  const calls = Array.from({ length: 400 }, () =>
    forward(text, { timeoutMs: 30_000 }).catch((error) => error),
  )
  const refused = () => far.ended.filter((end) => end === 'Forward RESOURCE_EXHAUSTED').length
  await expect.poll(() => refused() + far.server.callsInFlight, { timeout: 20_000 }).toBe(400)
  const begun = far.server.callsInFlight
  answer()
  const told = await Promise.all(calls)
  expect(begun).toBeGreaterThan(100)
  expect(told.filter((one) => one === text)).toHaveLength(begun)
  for (const one of told) if (one !== text) expect(one).toMatchObject({ details: { reason: 'OVERLOADED' } })
  expect(refused()).toBeGreaterThan(0)
  // The open stream's own.
  await expect.poll(() => far.server.connections.bytesInFlight).toBeLessThanOrEqual(8192)
})

it('frames are no larger than what sidecars take of a message', async () => {
  const far = await peer({ messageBytesMax: 16 * 1024 })
  const { forward } = forwarder([far.address], undefined, 16 * 1024)
  await forward('first')
  const texts = Array.from({ length: 40 }, (_, i) => `${i} `.repeat(1_000))
  expect(await Promise.all(texts.map((text) => forward(text)))).toEqual(texts)
  const large = 'x'.repeat(16 * 1024 - 100)
  expect(await forward(large)).toBe(large)
  expect(new Set(far.ended)).toEqual(new Set(['Forward OK']))
})

function busyError() {
  const metadata = new Metadata()
  const details = encodeStatusDetails(status.RESOURCE_EXHAUSTED, 'busy', { reason: 'OVERLOADED' })
  metadata.set(STATUS_DETAILS_KEY, Buffer.from(details))
  return { code: status.RESOURCE_EXHAUSTED, details: 'busy', metadata }
}
