import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { STATUS } from '@perigee/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { text } from './codec.ts'
import { Perigee } from './perigee.ts'
import { BrokenOff } from './spec/refusal.ts'
import { SmallNames } from './spec/small-names.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal, SmallCluster, SmallSidecar } from './spec/small-sidecar.ts'

/** Accepts connections and never says a word. */
async function silentAddress(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    socket.on('error', () => {})
    sockets.add(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function twoRegions() {
  const regions = await smallRegions()
  return { ...regions, cache: regions.perigee.cache('answers', { codec: text }) }
}

describe('a call', () => {
  it('goes to the nearest region while that answers', async () => {
    const { near, far, cache } = await twoRegions()
    await cache.set('a', '1')
    expect(await cache.get('a')).toBe('1')
    expect(near.received).toHaveLength(2)
    expect(far.received).toHaveLength(0)
  })

  it('is answered by the next nearest region when the nearest is gone', async () => {
    const { near, far, cache, events } = await twoRegions()
    await cache.set('a', '1')
    await near.kill()
    const entry = await cache.getEntry('a')
    expect(entry?.receipt.region).toBe('us-east-1')
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'failover', to: { region: 'us-east-1', address: far.address } }),
    )
  })

  it('comes home when the nearest region is back', async () => {
    const { near, cache } = await twoRegions()
    await cache.set('a', '1')
    await near.kill()
    await cache.get('a')
    await using again = await SmallSidecar.start('eu-west-1', new SmallCluster(), near.port)
    await expect
      .poll(async () => cache.get('a').then(() => again.calls('Get').length), { timeout: 5_000 })
      .toBeGreaterThan(0)
  })

  it('goes straight to the next region while the nearest is known to be silent', async () => {
    await using far = await SmallSidecar.start('us-east-1')
    const addresses = { 'eu-west-1': await silentAddress(), 'us-east-1': far.address }
    await using perigee = await Perigee.connect({ region: 'eu-west-1', addresses, connectTimeoutMs: 200 })
    const cache = perigee.cache('answers', { codec: text })
    const start = performance.now()
    await cache.set('a', '1')
    expect(performance.now() - start).toBeLessThan(1_000)
    const second = performance.now()
    await cache.get('a')
    expect(performance.now() - second).toBeLessThan(150)
  })

  it('leaves time for the next region when the nearest takes the call and never answers', async () => {
    const { near, cache } = await twoRegions()
    near.intercept = () => new Promise(() => {})
    const entry = cache.set('a', '1', { timeoutMs: 800 })
    await expect(entry).resolves.toMatchObject({ receipt: { region: 'us-east-1' } })
  })

  it('takes no longer than its deadline when nobody answers', async () => {
    const { near, far, cache } = await twoRegions()
    near.intercept = far.intercept = () => new Promise(() => {})
    const start = performance.now()
    const error = await failure(cache.get('a', { timeoutMs: 400 }))
    expect(performance.now() - start).toBeLessThan(600)
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true })
    expect(error.message).toContain('400 ms')
  })

  it('takes no longer than its deadline while DNS is silent', async () => {
    await using names = await SmallNames.start()
    const name = 'api.eu-west-1.rag.internal'
    for (const question of [`A ${name}`, `AAAA ${name}`, `SRV _perigee._tcp.${name}`])
      names.says.set(question, 'silent')
    await using perigee = await Perigee.connect({
      ...{ domain: 'rag.internal', regions: ['eu-west-1'], region: 'eu-west-1', dns: names.address },
    })
    const cache = perigee.cache('answers', { codec: text })
    const took: number[] = []
    for (let i = 0; i < 4; i++) {
      const start = performance.now()
      await failure(cache.get('a', { timeoutMs: 200 }))
      took.push(performance.now() - start)
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    expect(Math.max(...took)).toBeLessThan(450)
  })

  it('fails soon, and says where it asked, when all sidecars are gone', async () => {
    const { near, far, cache } = await twoRegions()
    await Promise.all([near.kill(), far.kill()])
    const start = performance.now()
    const error = await failure(cache.get('a'))
    expect(performance.now() - start).toBeLessThan(2_000)
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(error.message).toContain(near.address)
    expect(error.message).toContain(far.address)
  })

  it('is told the fault that every sidecar has, not that none was reached', async () => {
    const { near, far, cache } = await twoRegions()
    near.intercept = far.intercept = () => {
      throw new Refusal(STATUS.INTERNAL, 'look for log id 123')
    }
    const error = await failure(cache.get('a'))
    expect(error).toMatchObject({ code: 'INTERNAL', retryable: false })
    expect(error.message).toContain('failed at every sidecar')
    expect(error.message).toContain('log id 123')
  })

  it('is given up by its signal, whose reason is the cause', async () => {
    const { near, cache } = await twoRegions()
    near.intercept = () => new Promise(() => {})
    const controller = new AbortController()
    const reason = new Error('the user went away')
    const error = failure(cache.get('a', { signal: controller.signal }))
    await expect.poll(() => near.received.length).toBe(1)
    controller.abort(reason)
    expect(await error).toMatchObject({ code: 'CANCELLED', cause: reason, retryable: false })
  })

  it.each([Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER])(
    'may take as long as it likes, with %d ms to do so',
    async (timeoutMs) => {
      const { cache } = await twoRegions()
      expect(await cache.get('a', { timeoutMs })).toBeUndefined()
    },
  )

  it('is never sent with times that are no numbers', async () => {
    const { near, cache } = await twoRegions()
    for (const options of [{ timeoutMs: Number.NaN }, { maxWaitMs: Number.POSITIVE_INFINITY }]) {
      expect(await failure(cache.get('a', options))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(near.received).toHaveLength(0)
  })

  it('is never sent when its signal has fired before', async () => {
    const { near, far, cache } = await twoRegions()
    expect(await failure(cache.get('a', { signal: AbortSignal.abort('no') }))).toMatchObject({
      code: 'CANCELLED',
    })
    expect([...near.received, ...far.received]).toHaveLength(0)
  })
})

describe('an answer of the nearest sidecar', () => {
  it.each([
    ['DATA_UNAVAILABLE', 'us-east-1'],
    ['INDEX_BUILDING', 'us-east-1'],
    ['NO_PRIMARY', 'us-east-1'],
    ['BEHIND_SESSION', 'us-east-1'],
    ['OVERLOADED', 'us-east-1'],
    [STATUS.UNAVAILABLE, 'us-east-1'],
    [STATUS.UNIMPLEMENTED, 'us-east-1'],
    [STATUS.CANCELLED, 'us-east-1'],
    [STATUS.INTERNAL, 'us-east-1'],
  ] as const)('%s sends a read on to the next region', async (codeOrReason, region) => {
    const { near, cache } = await twoRegions()
    await cache.set('a', '1')
    near.intercept = () => {
      throw new Refusal(codeOrReason)
    }
    expect((await cache.getEntry('a'))?.receipt.region).toBe(region)
  })

  it.each([
    ['BEHIND_SESSION', 'UNAVAILABLE'],
    ['LOST_HISTORY', 'DATA_LOSS'],
    ['INVALID_FIELD', 'INVALID_ARGUMENT'],
    ['NOT_YET', 'UNIMPLEMENTED'],
    ['PRECONDITION_FAILED', 'ABORTED'],
  ] as const)('%s is final', async (reason, code) => {
    const { near, far, cache } = await twoRegions()
    near.intercept = () => {
      throw new Refusal(reason, 'what to do')
    }
    const error = await failure(cache.get('a', { whenBehind: 'fail' }))
    expect(error).toMatchObject({ code, reason, region: 'eu-west-1', message: 'what to do' })
    expect(error.fields).toEqual([{ field: 'a.field', description: 'is wrong' }])
    expect(far.received).toHaveLength(0)
  })

  it.each([
    'Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2',
    'Session closed with error code 2',
  ])('that its connection ended sends a write on, with the same request id: %s', async (details) => {
    const { near, far, cache } = await twoRegions()
    near.intercept = () => {
      throw new BrokenOff(details)
    }
    expect((await cache.set('a', '1')).receipt.region).toBe('us-east-1')
    const ids = [...near.calls('Set'), ...far.calls('Set')].map(
      (request) => (request as { options?: { requestId: string } }).options?.requestId,
    )
    expect(new Set(ids).size).toBe(1)
    expect(ids).toHaveLength(2)
  })

  it('that a write may have happened is checked by the same request id elsewhere', async () => {
    const { near, far, cache } = await twoRegions()
    near.intercept = () => {
      throw new Refusal('OUTCOME_UNKNOWN')
    }
    await cache.set('a', '1')
    const ids = [...near.calls('Set'), ...far.calls('Set')].map(
      (request) => (request as { options?: { requestId: string } }).options?.requestId,
    )
    expect(ids).toHaveLength(2)
    expect(ids[0]).toBeTruthy()
    expect(ids[0]).toBe(ids[1])
  })
})

describe('a write that an attempt may have done', () => {
  const refuse = (...args: ConstructorParameters<typeof Refusal>) => {
    return () => {
      throw new Refusal(...args)
    }
  }

  it.each([
    ['OUTCOME_UNKNOWN', 'NO_PRIMARY'],
    ['NO_PRIMARY', 'OUTCOME_UNKNOWN'],
    [STATUS.UNAVAILABLE, 'NO_PRIMARY'],
    [STATUS.CANCELLED, 'NO_PRIMARY'],
  ] as const)('is not said not to have been done: %s, then %s', async (first, second) => {
    const { near, far, cache } = await twoRegions()
    near.intercept = refuse(first)
    far.intercept = refuse(second)
    const error = await failure(cache.set('a', '1', { timeoutMs: 800 }))
    // Which of the two it is depends on when the last attempt was made; neither says that nothing was done.
    expect([error.reason, error.code]).toContainEqual(error.reason ? 'OUTCOME_UNKNOWN' : 'DEADLINE_EXCEEDED')
  })

  it('is asked about until its deadline, by the same request id', async () => {
    const { near, far, cache } = await twoRegions()
    let calls = 0
    near.intercept = far.intercept = () => {
      calls += 1
      if (calls > 8) return undefined
      throw new Refusal(calls === 1 ? 'OUTCOME_UNKNOWN' : 'NO_PRIMARY')
    }
    await cache.set('a', '1', { timeoutMs: 10_000 })
    const ids = [...near.calls('Set'), ...far.calls('Set')].map(
      (request) => (request as { options?: { requestId: string } }).options?.requestId,
    )
    expect(new Set(ids).size).toBe(1)
    expect(ids).toHaveLength(9)
  })

  it('for lack of time is sent again only within the retry budget', async () => {
    const { near, far, perigee, events } = await smallRegions({ retryBudget: { share: 0, perSecond: 0 } })
    near.intercept = far.intercept = () => new Promise(() => {})
    const error = await failure(perigee.cache('answers', { codec: text }).set('a', '1', { timeoutMs: 400 }))
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(far.received).toHaveLength(0)
    expect(events.map(({ type }) => type)).toContain('retry-refused')
  })

  it('was not done where no attempt was ever sent, or all were refused', async () => {
    const { near, far, cache } = await twoRegions()
    await near.kill()
    far.intercept = refuse('NO_PRIMARY')
    expect(await failure(cache.set('a', '1'))).toMatchObject({ reason: 'NO_PRIMARY' })
    await far.kill()
    // Until the client knows that its connection is gone, a write may have been done.
    await failure(cache.get('a'))
    const error = await failure(cache.set('a', '1'))
    expect(error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(error.reason).not.toBe('OUTCOME_UNKNOWN')
  })

  it('says so when a later attempt is told of lost history', async () => {
    const { near, far, cache } = await twoRegions()
    near.intercept = refuse('OUTCOME_UNKNOWN')
    far.intercept = refuse('LOST_HISTORY', 'gone', { position: '2-7' })
    expect(await failure(cache.set('a', '1'))).toMatchObject({
      code: 'DATA_LOSS',
      reason: 'LOST_HISTORY',
      region: 'us-east-1',
      metadata: { position: '2-7', earlier_attempt: 'unknown' },
    })
  })
})

describe('a search', () => {
  async function indexes(regionScoped: boolean) {
    const regions = await twoRegions()
    const model = { id: 'm', revision: '1' }
    await regions.perigee.index('docs', { model }).ensureIndex({ dimensions: 2, regionScoped })
    await regions.near.kill()
    // Another client, which doesn't know the index yet.
    const perigee = await regions.connect()
    return { ...regions, docs: perigee.index('docs', { model }) }
  }

  it('goes on to the next region', async () => {
    const { docs } = await indexes(false)
    expect((await docs.search([1, 0])).receipt.region).toBe('us-east-1')
  })

  it('goes on when it is heard late what the index is, while its client still connects', async () => {
    const { docs, far } = await indexes(false)
    const heardFrom = performance.now() + 1_100
    far.intercept = (method) =>
      method === 'GetIndex' && performance.now() < heardFrom ? new Promise(() => {}) : undefined
    expect((await docs.search([1, 0], { timeoutMs: 2_000 })).receipt.region).toBe('us-east-1')
  })

  it('of a region-scoped index stays where it was asked, since another region would answer otherwise', async () => {
    const { docs, far } = await indexes(true)
    const error = await failure(docs.search([1, 0]))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', region: 'eu-west-1' })
    expect(error.message).toContain('which alone may answer')
    // Also when the nearest is known to fail, and the first candidate is another region's.
    await failure(docs.search([1, 0]))
    expect(far.calls('Search')).toHaveLength(0)
  })
})

describe('a stream', () => {
  it('opens at the next region when the nearest is gone', async () => {
    const { near, perigee } = await twoRegions()
    await near.kill()
    const regions: string[] = []
    for await (const status of perigee.cluster.watchStatus()) regions.push(status.region)
    expect(regions).toEqual(['us-east-1', 'us-east-1'])
  })

  it('opens at the next region when the nearest says nothing', async () => {
    const { near, perigee } = await smallRegions({ defaultTimeoutMs: 300 })
    near.intercept = () => new Promise(() => {})
    const regions: string[] = []
    for await (const status of perigee.cluster.watchStatus()) regions.push(status.region)
    expect(regions).toEqual(['us-east-1', 'us-east-1'])
  })

  it('ends by its signal', async () => {
    const { near, perigee } = await smallRegions()
    const controller = new AbortController()
    near.intercept = () => {
      controller.abort('enough')
      return new Promise(() => {})
    }
    const watching = perigee.cluster.watchStatus({ signal: controller.signal })
    expect(await failure(watching.next())).toMatchObject({ code: 'CANCELLED', cause: 'enough' })
  })

  it('of one region stays there', async () => {
    const { perigee } = await twoRegions()
    expect((await perigee.cluster.status({ region: 'us-east-1' })).region).toBe('us-east-1')
    expect((await perigee.cluster.status()).region).toBe('eu-west-1')
  })
})

describe('a slow write', () => {
  const requestIds = (sidecar: SmallSidecar) =>
    sidecar.calls('Set').map((request) => (request as { options?: { requestId: string } }).options?.requestId)

  it('is asked about elsewhere after half of its time, and still answered where it was sent first', async () => {
    const { near, far, cache, events } = await twoRegions()
    near.intercept = () => new Promise((resolve) => setTimeout(resolve, 600, undefined))
    far.intercept = () => new Promise(() => {})
    const { receipt } = await cache.set('a', '1', { timeoutMs: 1_000 })
    expect(receipt.region).toBe('eu-west-1')
    expect(requestIds(far)).toEqual(requestIds(near))
    expect(events).toMatchObject([{ type: 'hedged', from: { region: 'eu-west-1' } }])
  })

  it('goes on to a third sidecar when the first two never answer', async () => {
    const { near, far, cluster } = await smallRegions()
    await using third = await SmallSidecar.start('ap-southeast-1', cluster)
    const addresses = {
      ...{ 'eu-west-1': near.address, 'us-east-1': far.address, 'ap-southeast-1': third.address },
    }
    await using perigee = await Perigee.connect({ region: 'eu-west-1', addresses })
    near.intercept = far.intercept = () => new Promise(() => {})
    const cache = perigee.cache('answers', { codec: text })
    expect((await cache.set('a', '1', { timeoutMs: 1_000 })).receipt.region).toBe('ap-southeast-1')
  })

  it('may have been done where it is under way, whatever the next sidecar says', async () => {
    const { near, far, cache } = await twoRegions()
    near.intercept = () => new Promise(() => {})
    far.intercept = () => {
      throw new Refusal('LOST_HISTORY', 'gone')
    }
    expect(await failure(cache.set('a', '1', { timeoutMs: 400 }))).toMatchObject({
      ...{ reason: 'LOST_HISTORY', metadata: { earlier_attempt: 'unknown' } },
    })
  })
})

describe('a read with hedgeAfterMs', () => {
  it('asks the next sidecar as well when the nearest is slow, takes the first answer and gives the other up', async () => {
    const { near, far, cache, events } = await twoRegions()
    await cache.set('a', '1')
    near.intercept = () => new Promise(() => {})
    const start = performance.now()
    const entry = await cache.getEntry('a', { hedgeAfterMs: 30 })
    expect(entry?.receipt.region).toBe('us-east-1')
    expect(performance.now() - start).toBeLessThan(500)
    expect(far.calls('Get')).toHaveLength(1)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'hedged', to: { region: 'us-east-1', address: far.address } }),
    )
  })

  it('asks nobody else while the nearest is quick', async () => {
    const { far, perigee } = await smallRegions({ hedgeAfterMs: 1_000 })
    const cache = perigee.cache('answers', { codec: text })
    for (let i = 0; i < 10; i++) await cache.get('a')
    expect(far.received).toHaveLength(0)
  })

  it('waits for the nearest when the other one fails', async () => {
    const { near, far, cache } = await twoRegions()
    await cache.set('a', '1')
    near.intercept = () => new Promise((resolve) => setTimeout(resolve, 200, undefined))
    far.intercept = () => {
      throw new Refusal('DATA_UNAVAILABLE')
    }
    expect((await cache.getEntry('a', { hedgeAfterMs: 20 }))?.receipt.region).toBe('eu-west-1')
  })

  it('waits for the nearest when the other one has too much to do', async () => {
    const { near, far, cache } = await twoRegions()
    await cache.set('a', '1')
    near.intercept = () => new Promise((resolve) => setTimeout(resolve, 200, undefined))
    far.intercept = () => {
      throw new Refusal('OVERLOADED')
    }
    expect((await cache.getEntry('a', { hedgeAfterMs: 20 }))?.receipt.region).toBe('eu-west-1')
  })

  it('sends no write to another sidecar', async () => {
    const { near, far, perigee } = await smallRegions({ hedgeAfterMs: 10 })
    near.intercept = () => new Promise((resolve) => setTimeout(resolve, 100, undefined))
    await perigee.cache('answers', { codec: text }).set('a', '1')
    expect(far.received).toHaveLength(0)
  })

  it('keeps a session going forward by the answer that is used', async () => {
    const { near, perigee } = await twoRegions()
    const session = perigee.session()
    const cache = session.cache('answers', { codec: text })
    await cache.set('a', '1')
    const before = session.token
    near.intercept = () => new Promise((resolve) => setTimeout(resolve, 100, undefined))
    await cache.set('a', '2')
    expect(await cache.get('a', { hedgeAfterMs: 10 })).toBe('2')
    expect(session.token).not.toBe(before)
  })
})

describe('the retry budget', () => {
  it('spent, lets a failure be told instead of asking others', async () => {
    const retryBudget = { share: 0, perSecond: 0 }
    const { near, far, perigee, events } = await smallRegions({ retryBudget })
    near.intercept = () => {
      throw new Refusal(STATUS.UNAVAILABLE)
    }
    const error = await failure(perigee.cache('answers', { codec: text }).get('a'))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(error.message).toContain('retryBudget')
    expect(far.received).toHaveLength(0)
    expect(events).toMatchObject([{ type: 'retry-refused' }])
  })

  it('is not needed for a call that could not be sent', async () => {
    const retryBudget = { share: 0, perSecond: 0 }
    await using far = await SmallSidecar.start('us-east-1')
    const addresses = { 'eu-west-1': '127.0.0.1:1', 'us-east-1': far.address }
    await using perigee = await Perigee.connect({ region: 'eu-west-1', addresses, retryBudget })
    const cache = perigee.cache('answers', { codec: text })
    for (let i = 0; i < 50; i++) await cache.get('a')
    expect(far.calls('Get')).toHaveLength(50)
  })
})

describe('a client that searches', () => {
  it('knows what kind of index it is before a search must leave home', async () => {
    const { near, far, perigee, connect } = await twoRegions()
    const model = { id: 'm', revision: '1' }
    await perigee.index('docs', { model }).ensureIndex({ dimensions: 2 })
    const asked = () => near.calls('GetIndex').length + far.calls('GetIndex').length
    const before = asked()
    const docs = (await connect()).index('docs', { model })
    await docs.search([1, 0])
    await expect.poll(asked).toBe(before + 1)
    await docs.search([1, 0])
    await near.kill()
    expect((await docs.search([1, 0])).receipt.region).toBe('us-east-1')
    expect(asked()).toBe(before + 1)
  })
})
