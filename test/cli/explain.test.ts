import type { ConnectionExplanation } from '@perigee/sdk'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { perigee } from './run-perigee.ts'

let regions: TwoRegions
let ofCluster: string[]

beforeAll(async () => {
  regions = await startTwoRegions({ distances: 'real' })
  ofCluster = ['--state', regions.cluster.stateFile]
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function explanation(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<ConnectionExplanation> {
  const ended = await perigee(['explain', '-o', 'json', ...args], env && { env })
  expect(ended).toMatchObject({ exitCode: 0, stderr: '' })
  return JSON.parse(ended.stdout)
}

it('tells step by step why a region is chosen', async () => {
  const { exitCode, stdout } = await perigee(['explain', ...ofCluster, '--region', 'eu-west-1'])
  expect(exitCode).toBe(0)
  const address = regions.cluster.state().regions.find(({ name }) => name === 'eu-west-1')?.grpc
  expect(stdout).toMatch(/^1\. This process is in eu-west-1: --region says so\.$/m)
  expect(stdout).toMatch(/^2\. Regions are in order of their distance from eu-west-1\.$/m)
  expect(stdout).toMatch(/^ +us-east-1 +5,466 km, \d+ ms there and back$/m)
  expect(stdout).toMatch(/^3\. DNS was asked who is there\.$/m)
  expect(stdout).toMatch(
    /^ +A api\.eu-west-1\.rag\.internal: 127\.\d+\.2\.1 \[127\.\d+\.2\.1:\d+, \S+ ms\]$/m,
  )
  expect(stdout).toMatch(/\(eu-west-1\): cache serves, search serves; \S+ ms there and back$/m)
  expect(stdout).toContain(`A call goes to ${address} in eu-west-1 first.`)
})

it('tells as JSON what DNS said, who is down, and who is asked instead', async () => {
  const { cluster } = regions
  await cluster.setDns('eu-west-1', 'us-east-1', { services: [{ port: 0 }] })
  await cluster.stopProcess('eu-west-1', 'sidecar', 'SIGKILL')
  onTestFinished(async () => {
    await cluster.setDns('eu-west-1', 'us-east-1', { services: null })
    await cluster.startProcess('eu-west-1', 'sidecar')
  })
  const told = await explanation(ofCluster, { PERIGEE_REGION: 'eu-west-1' })
  expect(told.here).toEqual({
    region: 'eu-west-1',
    source: 'option',
    because: 'PERIGEE_REGION in the environment says so',
  })
  expect(told.judgedBy).toBe('distance')
  expect(told.regions.map(({ region }) => region)).toEqual(['eu-west-1', 'us-east-1'])
  expect(told.regions[1]).toMatchObject({ ignored: [expect.stringContaining('port 0')], lookupError: null })
  expect(told.endpoints.at(-1)).toMatchObject({
    region: 'eu-west-1',
    roundTripMs: null,
    roundTripError: expect.stringContaining('ECONNREFUSED'),
    lastError: { code: 'UNAVAILABLE' },
  })
  expect(told.steps.at(-1)?.says).toMatch(/in us-east-1 first, though eu-west-1 is nearest/)
})

it('chooses for the user of a request, and for a place', async () => {
  const { grpc } = regions.cluster.state().regions.find(({ name }) => name === 'us-east-1') ?? {}
  const byHeader = await explanation([...ofCluster, '--header', 'CF-IPCountry: CA'])
  expect(byHeader.here).toMatchObject({
    region: 'us-east-1',
    source: 'headers',
    because: expect.stringContaining('cf-ipcountry is CA'),
  })
  // By the DNS view of the region that was chosen.
  expect(byHeader.endpoints[0]?.address).toBe(grpc)
  const byPlace = await explanation([...ofCluster, '--location', '48.1,11.6'])
  expect(byPlace.here).toMatchObject({ region: 'eu-west-1', source: 'location' })
})

it('measures where nothing says where it is', async () => {
  const { domain, regions: all } = regions.cluster.state()
  const names = all.map(({ name }) => name).join()
  const dns = all.find(({ name }) => name === 'eu-west-1')?.dns ?? ''
  const told = await explanation(['--domain', domain, '--regions', names, '--dns', dns])
  expect(told.here).toMatchObject({ region: null, source: 'nothing' })
  expect(told.judgedBy).toBe('round-trip')
  expect(told.regions[0]).toMatchObject({ region: 'eu-west-1', roundTripMs: expect.any(Number) })
})

it.each([
  ['a place beyond the poles', ['--location', '91,0']],
  ['a place of one number', ['--location', '48']],
  ['a header without a value', ['--header', 'cf-ipcountry']],
  ['a header and a place', ['--header', 'a: b', '--location', '1,1']],
  ['a place for one address', ['--address', '127.0.0.1:1', '--location', '1,1']],
])('refuses %s', async (_, args) => {
  const ended = await perigee(['explain', ...args])
  expect(ended).toMatchObject({ exitCode: 2, stdout: '' })
  expect(ended.stderr).toMatch(/^error: .+\nhint: .+\n$/)
})
