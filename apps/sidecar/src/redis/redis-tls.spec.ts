import { once } from 'node:events'
import { type AddressInfo, connect, createServer as createPlainServer, type Socket } from 'node:net'
import { createServer, type Server } from 'node:tls'
import type { Authority, Certificate } from '@perigee/certificates'
import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { Pieces } from '@perigee/protocol'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { authorities, certificateFiles, LOCAL } from '../tls/certificates.spec-support.ts'
import type { TlsFiles } from '../tls/tls-files.ts'
import { RedisConnection } from './connection.ts'
import { ForeignRedis } from './foreign-redis.ts'
import { IndexRedis } from './index-redis.ts'
import { LeanRedis } from './lean-redis.ts'
import { textsOf } from './pieces.spec-support.ts'
import { Sentinel } from './sentinel.ts'

const log = pino({ level: 'silent' })

let redis: RedisProcess
let trusted: Authority
let other: Authority
beforeAll(async () => {
  redis = await startRedis({ search: true })
  ;({ trusted, other } = await authorities())
})
afterAll(() => redis.stop())

/** Redis behind TLS, which demands certificates by the trusted CA. */
async function secured(own?: Certificate): Promise<{ url: string; address: string; drop(): void }> {
  const sockets = new Set<Socket>()
  const { cert, key } = own ?? (await trusted.issue(LOCAL))
  const server: Server = createServer({ cert, key, ca: trusted.cert, requestCert: true }, (client) => {
    const there = connect(redis.port, redis.host)
    for (const socket of [client, there]) sockets.add(socket.on('error', () => {}))
    client.pipe(there).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const drop = () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  onTestFinished(() => {
    drop()
    server.close()
  })
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `rediss://${address}`, address, drop }
}

const ours = async (authority = trusted) =>
  certificateFiles(await authority.issue({ name: 'sidecar', use: 'client' }), trusted.cert)

function connectionTo(url: string, tls?: TlsFiles): RedisConnection {
  const connection = new RedisConnection({ name: 'spec', url, tls, timeoutMs: 500, log })
  connection.start()
  onTestFinished(() => connection.stop())
  return connection
}

/** Long enough for several attempts. */
const staysDown = async (connection: { readonly ready: boolean }) => {
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(connection.ready).toBe(false)
}

describe('Redis by TLS', () => {
  it.each([undefined, '127.0.0.1'])('is used from local address %s', async (localAddress) => {
    const { url } = await secured()
    const { files } = await ours()
    const connection = new RedisConnection({
      name: 'spec',
      url,
      localAddress,
      tls: files,
      timeoutMs: 500,
      log,
    })
    connection.start()
    onTestFinished(() => connection.stop())
    await vi.waitFor(() => expect(connection.ready).toBe(true), 5_000)
    expect(await connection.call('PING')).toBe('PONG')
  })

  it('gives values as they are without it, many at a time', async () => {
    const { url } = await secured()
    const { files } = await ours()
    const values = ['', 'x'.repeat(300_000), 'é'.repeat(1_000)]
    for (const [i, value] of values.entries()) await redis.command('SET', `value-${i}`, value)
    const reader = new LeanRedis({ name: 'spec', url, tls: files, timeoutMs: 2_000, log })
    reader.start()
    onTestFinished(() => reader.stop())
    await vi.waitFor(() => expect(reader.ready).toBe(true), 5_000)
    const keys = { prefix: Buffer.from('value-'), ends: Pieces.of(['0', '1', '2', 'none']) }
    const read = () => reader.mget([], keys, textsOf)
    const answers = await Promise.all(Array.from({ length: 20 }, read))
    expect(answers).toEqual(answers.map(() => [...values, null]))
  })

  it('is given up by the reader of values when its handshake is swallowed', async () => {
    let connections = 0
    const silent = createPlainServer((socket) => {
      connections += 1
      socket.on('error', () => {}).resume()
    })
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const url = `rediss://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const reader = new LeanRedis({ name: 'spec', url, tls: (await ours()).files, timeoutMs: 100, log })
    reader.start()
    onTestFinished(() => {
      reader.stop()
      silent.close()
    })
    await vi.waitFor(() => expect(connections).toBeGreaterThan(1), 3_000)
  })

  it('is searched', async () => {
    const { url } = await secured()
    const index = new IndexRedis({ name: 'spec', url, tls: (await ours()).files, log })
    index.start()
    onTestFinished(() => index.stop())
    await vi.waitFor(() => expect(index.usable).toBe(true), 5_000)
  })

  it("is asked in other regions by the same user and certificate, and a Sentinel's connection is made", async () => {
    const { address } = await secured()
    const tls = (await ours()).files
    using foreign = new ForeignRedis({ url: 'rediss://127.0.0.1:1', address, tls, timeoutMs: 500 })
    await foreign.connect()
    expect(await foreign.call('ROLE')).toEqual(expect.arrayContaining(['master']))
    const sentinel = new Sentinel({ url: `rediss://${address}`, master: 'pg', tls, timeoutMs: 500, log })
    sentinel.start()
    onTestFinished(() => sentinel.stop())
    // It is no Sentinel, and answers that.
    await vi.waitFor(() => expect(sentinel.ask()).rejects.toMatchObject({ kind: 'refused' }), 5_000)
  })

  it('is refused without a certificate, and with one of another CA', async () => {
    const { url } = await secured()
    await staysDown(connectionTo(url))
    await staysDown(connectionTo(url, (await ours(other)).files))
  })

  it('is not trusted with a certificate of another CA, nor with one for another host', async () => {
    const tls = (await ours()).files
    await staysDown(connectionTo((await secured(await other.issue(LOCAL))).url, tls))
    const elsewhere = await trusted.issue({ name: 'redis', names: ['redis.internal'], use: 'server' })
    await staysDown(connectionTo((await secured(elsewhere)).url, tls))
  })

  it('is connected to anew with the certificate that the files hold then', async () => {
    const { url, drop } = await secured()
    const { files, replace } = await ours(other)
    const connection = connectionTo(url, files)
    await staysDown(connection)
    await replace(await trusted.issue({ name: 'sidecar', use: 'client' }))
    await vi.waitFor(() => expect(connection.ready).toBe(true), 5_000)
    drop()
    await vi.waitFor(() => expect(connection.connects).toBe(2), 5_000)
  })
})
