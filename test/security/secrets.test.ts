import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CacheService, ClusterService, PeerService, SearchService } from '@perigee/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { chunk, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { bytes } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'
import { GuardedRegions } from './guarded-regions.ts'
import { rawCall } from './raw-call.ts'
import { message } from './raw-http2.ts'

const REGIONS = ['us-east-1', 'eu-west-1'] as const
/** What is neither a password nor a token, and yet nobody's but the callers'. */
const CONTENT = ['canary-value-7391', 'canary-text-7391', 'canary-metadata-7391']
/** In headers with a character that may not be in one. */
const ODD_GUESS = 'canary-odd-7391'
const GUESSES = ['canary-guess-7391', 'canary.jwt.7391', 'canary-basic-7391']

let regions: GuardedRegions
/** Everything that a sidecar told anybody. */
const told: string[] = []

beforeAll(async () => {
  regions = await GuardedRegions.start()
  for (const region of REGIONS) {
    await regions.cluster.stopProcess(region, 'sidecar')
    await regions.cluster.startProcess(region, 'sidecar', { env: { PERIGEE_LOG_LEVEL: 'trace' } })
  }
}, 120_000)
afterAll(() => regions?.[Symbol.asyncDispose]())

/** Every secret there is, by a name that a failing test may tell. */
async function secrets(): Promise<Map<string, string>> {
  const passwords = Object.entries(regions.cluster.credentials)
  const tokens = ['operator', 'shop', 'reader'].map((name): [string, string] => [name, regions.token(name)])
  const [, peer = ''] = regions.peerBearer.split(' ')
  const jwt = await regions.jwt({ jti: 'fixed', iat: 1, exp: 4_000_000_000 })
  const [, claims = '', signature = ''] = jwt.split('.')
  return new Map<string, string>([
    ...passwords.map(([name, password]): [string, string] => [`password of ${name}`, password]),
    ...tokens.map(([name, token]): [string, string] => [`token of ${name}`, token]),
    ...[...CONTENT, ...GUESSES, ODD_GUESS].map((text): [string, string] => [text, text]),
    ['token of sidecars', peer],
    ['claims of a JWT', claims],
    ['signature of a JWT', signature],
  ])
}

/** The secrets that are in a text. */
async function secretsIn(text: string): Promise<string[]> {
  return [...(await secrets())].flatMap(([name, secret]) => (text.includes(secret) ? [name] : []))
}

async function call(...[method, init, authorization]: Parameters<GuardedRegions['us']['call']>) {
  const outcomes = await Promise.all(
    [regions.us, regions.eu].map((one) => one.call(method, init, authorization)),
  )
  told.push(...outcomes.map(({ status, reason, message }) => `${status} ${reason} ${message}`))
  return outcomes
}

/** Calls of every kind that succeed, and that fail for whatever reason. */
async function callAll(): Promise<void> {
  const operator = regions.bearer('operator')
  const entry = { namespace: 'shop', key: 'k', value: bytes(CONTENT[0] ?? '') }
  const docs = { namespace: 'shop', index: 'docs', model: MODEL }
  await call(CacheService.method.set, entry, operator)
  await call(CacheService.method.get, { namespace: 'shop', key: 'k' }, regions.bearer('reader'))
  const index = {
    name: 'docs',
    dimensions: 8,
    metric: 1,
    algorithm: { case: 'flat', value: {} },
    model: MODEL,
  }
  await call(SearchService.method.createIndex, { namespace: 'shop', index }, operator)
  const chunks = [chunk('c', { text: CONTENT[1] ?? '', metadata: { a: CONTENT[2] ?? '' } })]
  await call(SearchService.method.upsertChunks, { ...docs, chunks }, operator)
  await call(SearchService.method.search, { ...docs, vector: vectorMessage(vectorOf('c')), k: 3 }, operator)
  await call(ClusterService.method.getStatus, {}, operator)
  for (const guess of GUESSES) {
    for (const scheme of ['Bearer', 'Basic', 'bearer']) {
      await call(CacheService.method.get, { namespace: 'shop', key: 'k' }, `${scheme} ${guess}`)
      await call(PeerService.method.getRegion, {}, `${scheme} ${guess}`)
    }
  }
  for (const place of [0, 1] as const) {
    const headers = { authorization: `Bearer ${ODD_GUESS}é`, 'x-other': `é${ODD_GUESS}` }
    const path = `/${CacheService.typeName}/Get`
    const { status, message: words } = await rawCall(regions.grpc(place), {
      path,
      body: message(Buffer.alloc(0)),
      headers,
    })
    told.push(`${status} ${words}`)
  }
  await call(CacheService.method.set, entry, regions.bearer('reader'))
  await call(CacheService.method.set, { ...entry, namespace: 'NOT-ONE' }, operator)
  await call(SearchService.method.upsertChunks, { ...docs, index: 'none', chunks }, operator)
  await call(
    CacheService.method.get,
    { namespace: 'shop', key: 'k' },
    `Bearer ${await regions.jwt({ iat: 1 })}`,
  )
  const bad = await regions.jwt({ jti: 'fixed', iat: 1, exp: 4_000_000_000, aud: 'another' })
  await call(CacheService.method.get, { namespace: 'shop', key: 'k' }, `Bearer ${bad}`)
}

it('calls, refusals, failing Redis and wrong passwords: no secret and no content in logs at level trace, errors, metrics or status', async () => {
  const { cluster } = regions
  await callAll()
  expect(told.join('\n')).toMatch(/^OK.*^UNAUTHENTICATED.*^PERMISSION_DENIED/ms)

  // Redis that are gone, that come back, and that take no password any more.
  for (const name of ['dataRedis', 'indexRedis'] as const) {
    await cluster.stopProcess('eu-west-1', name, 'SIGKILL')
    await callAll()
    await cluster.startProcess('eu-west-1', name)
  }
  const { sidecar, control } = cluster.credentials
  for (const [user, password] of Object.entries({ sidecar, control })) {
    const setUser = ['ACL', 'SETUSER', user, 'resetpass']
    const before = refusedLogins()
    await cluster.dataRedis('us-east-1').command(...setUser, '>another-password')
    await cluster.dataRedis('us-east-1').command('CLIENT', 'KILL', 'USER', user)
    await waitFor('the login to be refused', () => refusedLogins() > before)
    await callAll()
    await cluster.dataRedis('us-east-1').command(...setUser, `>${password}`)
  }

  const operator = { authorization: regions.bearer('operator') }
  for (const region of cluster.state().regions) {
    for (const path of ['/metrics', '/status.json', '/livez', '/readyz', '/']) {
      const answer = await fetch(`http://${region.http}${path}`, { headers: operator })
      told.push(path, await answer.text())
      told.push(await (await fetch(`http://${region.http}${path}?token=${GUESSES[0]}`)).text())
    }
  }
  expect(told.join('\n')).toContain('perigee_calls_in_flight')
  expect(await secretsIn(told.join('\n'))).toEqual([])
  for (const region of REGIONS) {
    expect(logOf(region).length).toBeGreaterThan(1_000)
    expect(await secretsIn(logOf(region))).toEqual([])
  }
})

it('nor in command lines or titles of processes, the environment aside, nor in the state file', async () => {
  const { pids } = regions.cluster.state().regions[0] ?? { pids: {} }
  expect(Object.keys(pids)).toEqual(expect.arrayContaining(['sidecar', 'dataRedis', 'indexRedis']))
  for (const pid of Object.values(pids)) {
    for (const file of ['cmdline', 'comm', 'status']) {
      const text = readFileSync(`/proc/${pid}/${file}`, 'utf8')
      expect(text).not.toBe('')
      expect(await secretsIn(text)).toEqual([])
    }
  }
  expect(await secretsIn(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }))).toEqual([])
  expect(await secretsIn(readFileSync(regions.cluster.stateFile, 'utf8'))).toEqual([])
})

const SECRET_SETTINGS = {
  PERIGEE_DATA_REDIS: 'redis://sidecar:canary-1@127.0.0.1:1',
  PERIGEE_CONTROL_REDIS: 'redis://control:canary-2@127.0.0.1:1/0?password=canary-3',
  PERIGEE_INDEX_REDIS: 'redis://:canary-4@canary-5@127.0.0.1:2',
  PERIGEE_SENTINELS: 'redis://control:canary-6@127.0.0.1:3,redis://h:4?password=canary-7',
}
const SETTINGS = {
  PERIGEE_REGION: 'us-east-1',
  PERIGEE_REGIONS: 'us-east-1',
  PERIGEE_TOPOLOGY: 'sentinel',
  PERIGEE_GRPC_LISTEN: '127.0.0.1:0',
  PERIGEE_HTTP_LISTEN: '127.0.0.1:0',
}

function runSidecar(args: readonly string[], settings: Record<string, string>): string {
  const main = join(import.meta.dirname, '../../apps/sidecar/dist/main.js')
  const env = { PATH: process.env.PATH ?? '', ...SETTINGS, ...settings }
  const { stdout, stderr } = spawnSync(process.execPath, [main, ...args], { env, encoding: 'utf8' })
  return stdout + stderr
}

it.each(['trace', 'info', 'silent'])('--print-config hides them at level %s', (level) => {
  const printed = runSidecar(['--print-config'], { ...SECRET_SETTINGS, PERIGEE_LOG_LEVEL: level })
  expect(JSON.parse(printed)).toMatchObject({ logLevel: level, dataRedis: 'redis://***@127.0.0.1:1' })
  expect(printed).not.toContain('canary')
})

it('a setting that is wrong, and an argument that is none, are told without what they hold', () => {
  for (const name of Object.keys(SECRET_SETTINGS)) {
    const told = runSidecar(['--print-config'], { ...SECRET_SETTINGS, [name]: 'redis//:canary-8@nowhere' })
    expect(told).toContain(name)
    expect(told).not.toContain('canary')
  }
  const flags = runSidecar(
    ['--data-redis=redis://sidecar:canary-9@h:1', 'redis://canary-10'],
    SECRET_SETTINGS,
  )
  expect(flags).not.toContain('canary')
  expect(flags).toContain('there is an argument that is neither')
})

function refusedLogins(): number {
  return [...logOf('us-east-1').matchAll(/WRONGPASS/g)].length
}

function logOf(region: string): string {
  return readFileSync(join(regions.cluster.dir, region, 'sidecar.log'), 'utf8')
}
