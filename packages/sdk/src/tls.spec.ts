import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ServerCredentials } from '@grpc/grpc-js'
import { Authority, type Certificate } from '@perigee/certificates'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connectSettings } from './connect-options.ts'
import { Deadline } from './deadline.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { Perigee } from './perigee.ts'
import { SmallSidecar } from './spec/small-sidecar.ts'
import { ClientTls, type TlsOptions } from './tls-options.ts'

const REGION = 'eu-west-1'
const SERVER = 'api.eu-west-1.rag.internal'

let authority: Authority
let server: Certificate
let client: Certificate
beforeAll(async () => {
  authority = await Authority.create({ name: 'spec' })
  server = await authority.issue({ name: SERVER, names: [SERVER], use: 'server' })
  client = await authority.issue({ name: 'app', use: 'client' })
})

/** A sidecar that demands certificates of the authority. */
async function sidecar(own = server) {
  const pair = { cert_chain: Buffer.from(own.cert), private_key: Buffer.from(own.key) }
  const credentials = ServerCredentials.createSsl(Buffer.from(authority.cert), [pair], true)
  const started = await SmallSidecar.start(REGION, undefined, undefined, undefined, credentials)
  onTestFinished(() => started.kill())
  return started
}

async function connected(address: string, tls: TlsOptions, transport: 'auto' | 'unary' = 'auto') {
  const perigee = await Perigee.connect({
    ...{ addresses: { [REGION]: address }, region: REGION, transport, defaultTimeoutMs: 1_500 },
    tls: { ca: authority.cert, ...client, serverName: SERVER, ...tls },
  })
  onTestFinished(() => perigee.close())
  return perigee
}

describe('a client with TLS', () => {
  it.each(['auto', 'unary'] as const)(
    'calls a sidecar that demands its certificate, by transport %s',
    async (transport) => {
      const { address } = await sidecar()
      const perigee = await connected(address, {}, transport)
      await perigee.cache('answers').set('k', 'v')
      expect(await perigee.cache('answers').get('k')).toBe('v')
    },
  )

  it('watches the health of the sidecar by it, and explains where calls go', async () => {
    const small = await sidecar()
    const perigee = await connected(small.address, {})
    const health = async () => (await perigee.explain({ measure: true })).endpoints[0]?.health.cache
    await expect.poll(health).toBe('serving')
    small.setServing('perigee.v1.CacheService', false)
    await expect.poll(health).toBe('not-serving')
  })

  it('hears of a sidecar that lives, byte by byte, though calls are encrypted', async () => {
    const { address } = await sidecar()
    const endpoint = { region: REGION, address }
    const tls = new ClientTls({ ca: authority.cert, ...client, serverName: SERVER }, { listed: true })
    const transport = new GrpcTransport({ tls })
    onTestFinished(() => transport.close())
    const options = { deadline: Deadline.in(5_000), connectTimeoutMs: 1_000 }
    await transport.roundTrip(endpoint, options)
    const heard = transport.bytesHeard(endpoint) ?? 0
    expect(heard).toBeGreaterThan(0)
    await transport.roundTrip(endpoint, options)
    expect(transport.bytesHeard(endpoint)).toBeGreaterThan(heard)
  })

  it.each([
    ['without a certificate', { cert: undefined, key: undefined }, 'demands a client certificate'],
    ['that trusts another CA', { ca: undefined }, "isn't of a CA that is trusted"],
    [
      'that means another name',
      { serverName: 'api.us-east-1.rag.internal' },
      'its certificate is for other names',
    ],
  ])('%s is told so', async (_, tls, why) => {
    const { address } = await sidecar()
    const perigee = await connected(address, tls)
    await expect(perigee.cache('answers').get('k')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(why),
    })
  })

  it('says of a sidecar without TLS that it has none, and the other way round', async () => {
    const plain = await SmallSidecar.start(REGION)
    onTestFinished(() => plain.kill())
    const secure = await connected(plain.address, {})
    await expect(secure.cache('answers').get('k')).rejects.toThrow('it seems to speak no TLS')
    const { address } = await sidecar()
    const without = await Perigee.connect({ addresses: { [REGION]: address }, defaultTimeoutMs: 1_500 })
    onTestFinished(() => without.close())
    await expect(without.cache('answers').get('k')).rejects.toThrow('if it speaks TLS, give `tls`')
  })

  it("takes a client's certificate for no sidecar's, though it has the name", async () => {
    const own = await authority.issue({ name: SERVER, names: [SERVER], use: 'client' })
    const perigee = await connected((await sidecar(own)).address, {})
    await expect(perigee.cache('answers').get('k')).rejects.toThrow('unsuitable certificate purpose')
  })

  it('gives up a sidecar that says nothing in the handshake, and leaves no connection to it', async () => {
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => {
      sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
      socket.resume()
    })
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const perigee = await connected(`127.0.0.1:${port}`, {})
    const code = expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/)
    await expect(perigee.cache('answers').get('k')).rejects.toMatchObject({ code })
    await perigee.close()
    await expect.poll(() => sockets.size, { timeout: 3_000 }).toBe(0)
  })

  it('takes a new certificate for the next connection', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'perigee-sdk-tls-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const paths = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') }
    const other = await Authority.create({ name: 'other' })
    const write = ({ cert, key }: Certificate) => {
      writeFileSync(paths.cert, cert)
      writeFileSync(paths.key, key)
    }
    write(await other.issue({ name: 'app', use: 'client' }))
    const { address } = await sidecar()
    const perigee = await connected(address, paths)
    await expect(perigee.cache('answers').get('k')).rejects.toThrow('it may not trust the CA of tls.cert')
    write(client)
    const got = () =>
      perigee
        .cache('answers')
        .get('k')
        .then(
          () => true,
          () => false,
        )
    await expect.poll(got, { timeout: 5_000 }).toBe(true)
  })
})

describe('the option tls', () => {
  const settings = (tls: TlsOptions) =>
    connectSettings({ domain: 'rag.internal', regions: [REGION], tls }, {})

  it('means the name that was looked up, and never the address that DNS gave for it', () => {
    const endpoint = { region: REGION, address: '10.0.0.1:7700' }
    expect(settings({}).tls?.namesOf(endpoint)).toEqual([SERVER])
    expect(new ClientTls({}, { listed: true }).namesOf(endpoint)).toEqual(['10.0.0.1'])
    expect(settings({ serverName: 'other' }).tls?.namesOf(endpoint)).toEqual(['other'])
  })

  it.each([
    ['tls.ca', { ca: '/nowhere.pem' }],
    ['tls.ca', { ca: '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----' }],
    ['tls.key', { cert: '-----BEGIN ' }],
    ['tls.cert', { key: '-----BEGIN ' }],
  ])('is refused with a wrong %s', (field, tls) => {
    expect(() => settings(tls)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', fields: [expect.objectContaining({ field })] }),
    )
  })

  it('is refused with a key in another form than PEM, which the error does not show', () => {
    const bare = client.key.replace(/-----.*-----/g, '').trim()
    for (const key of [bare, bare.replaceAll('\n', '')]) {
      const message = expect.not.stringContaining(bare.slice(0, 20))
      expect(() => settings({ cert: client.cert, key })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message }),
      )
    }
  })

  it('is refused with a key of another certificate', () => {
    expect(() => settings({ cert: client.cert, key: server.key })).toThrow("isn't the key of tls.cert")
  })
})
