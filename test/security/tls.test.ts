import { X509Certificate } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { Authority, type Certificate, CertificateFolder, sidecarCertificate } from '@perigee/certificates'
import { LocalCluster } from '@perigee/local-cluster'
import { Perigee } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { perigee as command } from '../cli/run-perigee.ts'
import { RawClient } from '../support/clients.ts'
import { type Knock, knock } from '../support/tls-door.ts'
import { waitFor } from '../support/wait-for.ts'

const [PRIMARY, OTHER] = ['us-east-1', 'eu-west-1']

let cluster: LocalCluster
let tls: { readonly ca: string; readonly cert: string; readonly key: string }
let ca: string
let address: string

beforeAll(async () => {
  cluster = await LocalCluster.start({
    ...{ regions: [PRIMARY, OTHER], distances: 'none', tls: true },
    // As lax as Node can be started: what is refused is refused by the sidecar.
    sidecarEnv: { NODE_OPTIONS: '--tls-min-v1.0 --tls-cipher-list=ALL@SECLEVEL=0' },
  })
  const state = cluster.state()
  tls = state.tls as typeof tls
  ca = readFileSync(tls.ca, 'utf8')
  address = state.regions[0]?.grpc ?? ''
})
afterAll(() => cluster?.stop())

const pem = ({ cert, key }: Certificate) => ({ cert, key })
const own = () => ({ cert: readFileSync(tls.cert, 'utf8'), key: readFileSync(tls.key, 'utf8') })
/** The cluster's own CA, which only this test makes odd certificates by. */
const authority = () =>
  Authority.of({ cert: ca, key: readFileSync(join(cluster.dir, 'certs/ca-key.pem'), 'utf8') })

async function clientIn(region: string): Promise<Perigee> {
  const { domain, regions } = cluster.state()
  const dns = regions.find(({ name }) => name === region)?.dns
  return Perigee.connect({ domain, regions: [PRIMARY, OTHER], region, dns, tls })
}

describe('a sidecar with TLS', () => {
  it('answers who shows a certificate, in its region and through another one', async () => {
    expect(await knock(address, { ca, ...own() })).toMatchObject({ let: 'in', version: 'TLSv1.3' })
    await using perigee = await clientIn(OTHER)
    const answers = perigee.session().cache('answers')
    // By the sidecar of the other region, which forwards it: between sidecars there is TLS as well.
    await answers.set('k', 'v')
    expect(await answers.get('k')).toBe('v')
    const status = await perigee.cluster.status()
    expect(status.regions.map(({ region }) => region).sort()).toEqual([OTHER, PRIMARY])
  })

  it.each<[string, () => Promise<Partial<Knock>>, string]>([
    ['no certificate', async () => ({}), 'certificate required'],
    [
      'an expired one',
      async () => {
        const [notBefore, notAfter] = [new Date(Date.now() - 7_200_000), new Date(Date.now() - 3_600_000)]
        return pem(await (await authority()).issue({ name: 'app', use: 'client', notBefore, notAfter }))
      },
      'closed',
    ],
    [
      'one that is not good yet',
      async () => {
        const notBefore = new Date(Date.now() + 3_600_000)
        return pem(await (await authority()).issue({ name: 'app', use: 'client', notBefore }))
      },
      'closed',
    ],
    [
      'one of another CA',
      async () =>
        pem(await (await Authority.create({ name: 'other' })).issue({ name: 'local', use: 'client' })),
      'closed',
    ],
    [
      'one of a CA with the same name',
      async () => {
        const twin = await Authority.create({ name: 'Perigee CA of rag.internal' })
        return pem(await twin.issue({ name: 'local', use: 'client' }))
      },
      'closed',
    ],
  ])('refuses %s before a byte of a call is read', async (_, shown, why) => {
    for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
      const answer = await knock(address, { ca, ...(await shown()), version })
      expect(answer.let, version).toBe('out')
      if (version === 'TLSv1.3') expect(answer).toMatchObject({ why: expect.stringContaining(why) })
    }
  })

  it('takes TLS 1.2, and refuses 1.1', async () => {
    expect(await knock(address, { ca, ...own(), version: 'TLSv1.2' })).toMatchObject({
      let: 'in',
      version: 'TLSv1.2',
    })
    const answer = await knock(address, { ca, ...own(), version: 'TLSv1.1' })
    expect(answer).toMatchObject({ let: 'out', why: expect.stringContaining('alert protocol version') })
  })

  it('refuses calls without TLS, and goes on', async () => {
    using plain = new RawClient(address)
    await expect(plain.cluster.getStatus({}, { timeoutMs: 1_000 })).rejects.toMatchObject({
      status: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/),
    })
    await expect(fetch(`http://${cluster.state().regions[0]?.http}/readyz`)).rejects.toThrow()
    expect(await knock(address, { ca, ...own() })).toMatchObject({ let: 'in' })
  })

  it('closes connections whose handshake nobody finishes, of gRPC and of HTTP, and answers others meanwhile', async () => {
    const { http = '' } = cluster.state().regions[0] ?? {}
    const open = new Set<Socket>()
    for (const to of [address, http].flatMap((one) => Array.from({ length: 20 }, () => one))) {
      const [host = '', port] = to.split(':')
      // The beginning of a handshake, and no more.
      const socket = connect(Number(port), host, () => socket.write(Buffer.from([22, 3, 1])))
      open.add(socket.on('error', () => {}).on('close', () => open.delete(socket)))
      socket.resume()
    }
    expect(await knock(address, { ca, ...own() })).toMatchObject({ let: 'in' })
    await waitFor('all to be closed', () => open.size === 0)
  })

  it('says when its certificate runs out', async () => {
    const { http = '' } = cluster.state().regions[0] ?? {}
    const text = await new Promise<string>((resolve, reject) => {
      const options = { ca, cert: readFileSync(tls.cert), key: readFileSync(tls.key) }
      const read = (response: IncomingMessage) => void buffer(response).then(String).then(resolve, reject)
      get(`https://${http}/metrics`, options, read).on('error', reject)
    })
    const [, ends] = /^perigee_certificate_ends_timestamp_seconds\{use="server"\} (\S+)/m.exec(text) ?? []
    const own = new X509Certificate(readFileSync(join(cluster.dir, 'certs', `${PRIMARY}.pem`)))
    expect(Number(ends) * 1000).toBe(own.validToDate.getTime())
  })

  it('is found by the command, which takes the certificates from the state file', async () => {
    const asked = await command(['status', '--state', cluster.stateFile, '-o', 'json'])
    expect(asked).toMatchObject({ exitCode: 0, stderr: '' })
    const { cert, key } = tls
    const flags = ['--address', address, '--ca', tls.ca, '--cert', cert, '--key', key]
    expect(await command(['get', 'k', '-n', 'answers', ...flags])).toMatchObject({ exitCode: 0 })
    expect(await command(['get', 'k', '--address', address, '--ca', tls.ca])).toMatchObject({
      exitCode: 5,
    })
  })
})

describe('certificates that are exchanged', () => {
  it('all of them, the CA too, are taken without a restart, and no call fails', async () => {
    const pids = () => cluster.state().regions.map(({ pids }) => pids.sidecar)
    const before = pids()
    const oldOwn = own()
    const calls = await steadyCalls()
    const folder = join(cluster.dir, 'certs')
    const next = await CertificateFolder.open(join(cluster.dir, 'next-certs'), { authorityName: 'next' })
    const nextCa = readFileSync(next.ca, 'utf8')
    const made = await next.certificate('client-local', { name: 'local', use: 'client' })
    const nextOwn = { cert: readFileSync(made.cert, 'utf8'), key: readFileSync(made.key, 'utf8') }
    expect(await knock(address, { ca, ...nextOwn })).toMatchObject({ let: 'out' })

    // First both CAs are trusted, by everybody.
    replaceFile(join(folder, 'ca.pem'), ca + nextCa)
    await waitFor('the new CA', async () => (await knock(address, { ca, ...nextOwn })).let === 'in')

    // Then everybody shows what the new one has signed.
    for (const [i, region] of [PRIMARY, OTHER].entries()) {
      const { regions } = cluster.state()
      const also = regions.flatMap(({ grpc }) => grpc.replace(/:.*$/, ''))
      const request = sidecarCertificate({ region, domain: cluster.domain, also })
      const { cert, key } = await next.certificate(region, request)
      replaceFile(join(folder, `${region}.pem`), readFileSync(cert, 'utf8'))
      replaceFile(join(folder, `${region}-key.pem`), readFileSync(key, 'utf8'))
      const taken = async () => (await knock(regions[i]?.grpc ?? '', { ca: nextCa, ...nextOwn })).let === 'in'
      await waitFor(`the new certificate of ${region}`, taken)
    }
    replaceFile(tls.cert, nextOwn.cert)
    replaceFile(tls.key, nextOwn.key)

    // Last the old one is trusted no more.
    replaceFile(join(folder, 'ca.pem'), nextCa)
    await waitFor(
      'the old CA is still trusted',
      async () => (await knock(address, { ca: nextCa, ...oldOwn })).let === 'out',
    )
    expect(await knock(address, { ca: nextCa, ...nextOwn })).toMatchObject({ let: 'in' })

    // What is made anew, is made with the new ones: between sidecars as well.
    const { made: done, failed } = await calls.stop()
    expect(failed).toEqual([])
    expect(done).toBeGreaterThan(50)
    expect(pids()).toEqual(before)
    await cluster.stopProcess(OTHER, 'sidecar', 'SIGKILL')
    await cluster.startProcess(OTHER, 'sidecar')
    await using perigee = await clientIn(OTHER)
    const answers = perigee.session().cache('answers')
    await waitFor('writes to be forwarded', () => answers.set('after', 'all').then(() => true))
    expect(await answers.get('after')).toBe('all')
  })

  /** As a rename does, in one step. */
  function replaceFile(path: string, text: string): void {
    writeFileSync(`${path}.new`, text, { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }

  /** Writes and reads in both regions, one after the other, until it is told to stop. */
  async function steadyCalls() {
    const clients = await Promise.all([PRIMARY, OTHER].map(clientIn))
    const failed: unknown[] = []
    let made = 0
    let goesOn = true
    const running = clients.map(async (perigee, i) => {
      const answers = perigee.session().cache('answers')
      for (let n = 0; goesOn; n++) {
        try {
          await answers.set(`steady-${i}`, `${n}`)
          if ((await answers.get(`steady-${i}`)) !== `${n}`) failed.push(`another value in ${i}`)
          made += 2
        } catch (error) {
          failed.push(error)
        }
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
    const stop = async () => {
      goesOn = false
      await Promise.all(running)
      await Promise.all(clients.map((perigee) => perigee.close()))
      return { made, failed }
    }
    return { stop }
  }
})
