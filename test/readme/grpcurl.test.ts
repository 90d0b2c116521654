import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { grpcurlFolder } from '../support/grpcurl.ts'

const README = fileURLToPath(new URL('../../README.md', import.meta.url))
const EU_WEST_1 = '127.0.2.1:7700'

let folder: string
let cluster: LocalCluster

beforeAll(async () => {
  folder = await grpcurlFolder()
  cluster = await LocalCluster.start()
}, 300_000)

afterAll(() => cluster?.stop())

/** The commands of the README's grpcurl block, as they stand. */
async function commands(): Promise<string[]> {
  const block = /```sh\n(grpcurl [\s\S]*?)```/.exec(await readFile(README, 'utf8'))?.[1]
  if (!block) throw new Error('the README has no grpcurl block')
  return block.split(/^(?=grpcurl )/m).map((command) => command.trim())
}

async function answer(command: string): Promise<string> {
  const address = cluster.state().regions.find((region) => region.name === 'eu-west-1')?.grpc ?? ''
  const here = command.replaceAll(EU_WEST_1, address)
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` }
  const { stdout } = await promisify(execFile)('bash', ['-c', here], { env, timeout: 20_000 })
  return stdout
}

describe("the README's grpcurl commands", () => {
  it('answer as they should, in their order', async () => {
    const [list, describeSearch, health, set, get, createIndex, upsert, search, ...more] = await commands()
    expect(more).toEqual([])
    expect((await answer(list ?? '')).split('\n')).toEqual(
      expect.arrayContaining([
        'grpc.health.v1.Health',
        'perigee.v1.CacheService',
        'perigee.v1.ClusterService',
        'perigee.v1.SearchService',
      ]),
    )
    expect(await answer(describeSearch ?? '')).toContain('rpc Search ( .perigee.v1.SearchRequest )')
    expect(JSON.parse(await answer(health ?? ''))).toEqual({ status: 'SERVING' })

    const written = JSON.parse(await answer(set ?? ''))
    expect(written).toMatchObject({
      version: expect.stringMatching(/^\d+-\d+$/),
      receipt: { region: 'us-east-1' },
    })
    const { sessionToken } = written.receipt
    // EVENTUAL, so it may take the distance until the entry is there.
    await expect
      .poll(async () => JSON.parse(await answer(get ?? '')), { timeout: 5_000 })
      .toMatchObject({ entry: { value: 'aGVsbG8=', contentType: 'text/plain', version: written.version } })
    expect(sessionToken).toBeTruthy()

    expect(JSON.parse(await answer(createIndex ?? ''))).toMatchObject({ index: { name: 'notes', flat: {} } })
    expect(JSON.parse(await answer(upsert ?? ''))).toMatchObject({ upserted: 2 })
    await expect
      .poll(async () => JSON.parse(await answer(search ?? '')).hits, { timeout: 5_000 })
      .toMatchObject([{ chunk: { id: 'a', text: 'near', metadata: { lang: 'en' } } }])
  })

  it('health is known for each service', async () => {
    for (const service of ['', 'perigee.v1.CacheService', 'perigee.v1.SearchService']) {
      const check = `grpcurl -plaintext -d '{"service":"${service}"}' ${EU_WEST_1} grpc.health.v1.Health/Check`
      expect(JSON.parse(await answer(check)), service).toEqual({ status: 'SERVING' })
    }
  })
})
