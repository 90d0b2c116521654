import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LocalCluster } from '@perigee/local-cluster'
import { Perigee } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { type Ended, perigee, startPerigee } from './run-perigee.ts'

const REGIONS = ['us-east-1', 'eu-west-1', 'ap-southeast-1']
const FAR = 'ap-southeast-1'

let cluster: LocalCluster

/** Runs a command against the cluster, within a region. */
function run(
  args: readonly string[],
  options: { region?: string; input?: string | Uint8Array } = {},
): Promise<Ended> {
  const where = ['--state', cluster.stateFile, ...(options.region ? ['--region', options.region] : [])]
  return perigee([...args, ...where], options.input === undefined ? {} : { input: options.input })
}

async function json(args: readonly string[], options: { region?: string; input?: string } = {}) {
  const ended = await run([...args, '-o', 'json'], options)
  expect(ended, ended.stderr).toMatchObject({ exitCode: 0 })
  return JSON.parse(ended.stdout)
}

beforeAll(async () => {
  cluster = await LocalCluster.start()
  await waitFor('a first write', async () => (await run(['set', 'warm', 'up'])).exitCode === 0)
  const [primary] = cluster.state().regions
  if (!primary) throw new Error('a cluster has regions')
  await using client = await Perigee.connect({ addresses: { [primary.name]: primary.grpc } })
  const docs = client.index('docs', { model: { id: 'test/three', revision: '1' } })
  await docs.ensureIndex({ dimensions: 3, algorithm: 'flat', attributes: { lang: 'tag', year: 'numeric' } })
  await docs.upsert([
    { id: 'east', text: 'Points east', vector: [1, 0, 0], metadata: { lang: 'en', year: 2023 } },
    { id: 'north', text: 'Zeigt nach Norden', vector: [0, 1, 0], metadata: { lang: 'de', year: 2024 } },
    { id: 'north-east', text: 'Points\nnorth-east', vector: [1, 1, 0], metadata: { lang: 'en', year: 2025 } },
  ])
  for (const region of REGIONS) {
    await waitFor(
      `three chunks in ${region}`,
      async () =>
        JSON.parse((await run(['search', 'docs', '--vector', '[1,0,0]', '-o', 'json'], { region })).stdout)
          .hits.length === 3,
    )
  }
})

afterAll(async () => {
  await cluster?.stop()
})

describe('cache entries', () => {
  it('come back byte for byte', async () => {
    const value = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 31) % 256)
    const written = await run(['set', 'bytes', '-', '--content-type', 'image/x-test'], { input: value })
    expect(written, written.stderr).toMatchObject({ exitCode: 0 })
    const read = await run(['get', 'bytes'])
    expect(read.bytes.equals(value)).toBe(true)
    expect(read.stderr).toBe('')
    expect(await json(['get', 'bytes'])).toMatchObject({
      encoding: 'base64',
      value: Buffer.from(value).toString('base64'),
      contentType: 'image/x-test',
      expiresAt: null,
    })
  })

  it('are read from the primary by a region that is staler than allowed', async () => {
    const { session } = await json(['set', 'stale', 'value'])
    const get = ['get', 'stale', '--session', session, '--max-staleness']
    const near = await json([...get, '1h'], { region: 'eu-west-1' })
    const far = await json([...get, '1ms'], { region: 'eu-west-1' })
    expect([near.receipt.region, far.receipt.region]).toEqual(['eu-west-1', 'us-east-1'])
    expect(far.receipt).toMatchObject({ fallback: true, fallbackReason: 'behind' })
    expect(await run(['keys', '--max-staleness', '0'])).toMatchObject({ exitCode: 2 })
  })

  it('written in one region are read at once in another, with the session token', async () => {
    const written = await json(['set', 'mine', 'Grüße'], { region: FAR })
    expect(written).toMatchObject({ key: 'mine', namespace: 'default', receipt: { region: 'us-east-1' } })
    const read = await json(['get', 'mine', '--session', written.session], { region: 'eu-west-1' })
    expect(read).toMatchObject({ value: 'Grüße', encoding: 'utf8', version: written.version })
    expect(read.contentType).toContain('text/plain')
  })

  it('expire by --ttl', async () => {
    const written = await json(['set', 'short', 'x', '--ttl', '90s'])
    const { writtenAt, expiresAt } = await json(['get', 'short', '--session', written.session])
    expect(Date.parse(expiresAt) - Date.parse(writtenAt)).toBeCloseTo(90_000, -2)
  })

  it('show version, times and receipt on stderr with --meta, the value alone on stdout', async () => {
    const { session, version } = await json(['set', 'meta', 'value'])
    const ended = await run(['get', 'meta', '--meta', '--session', session])
    expect(ended.stdout).toBe('value')
    expect(ended.stderr).toContain(version)
    expect(ended.stderr).toContain('never')
  })

  it('are written only if their condition holds; else exit code 4 and the old value', async () => {
    const { version, session } = await json(['set', 'lock', 'mine'])
    for (const condition of [['--if-absent'], ['--if-version', 'another']]) {
      const refused = await run(['set', 'lock', 'yours', ...condition, '-o', 'json'])
      expect(refused.exitCode).toBe(4)
      expect(JSON.parse(refused.stderr).error).toMatchObject({
        code: 'ABORTED',
        reason: 'PRECONDITION_FAILED',
      })
    }
    expect((await run(['get', 'lock', '--session', session])).stdout).toBe('mine')
    expect((await run(['set', 'lock', 'next', '--if-version', version])).exitCode).toBe(0)
    expect((await run(['set', 'lock-2', 'x', '--if-exists'])).exitCode).toBe(4)
  })

  it('that are not there end with exit code 3 and nothing on stdout', async () => {
    const ended = await run(['get', 'nobody'])
    expect(ended).toMatchObject({ exitCode: 3, stdout: '' })
    expect(ended.stderr).toMatch(/^error: .*default\/nobody\nhint: .+\n$/)
  })

  it('are deleted and counted', async () => {
    await run(['set', 'old', 'x'])
    expect((await run(['delete', 'old', 'older'])).stdout).toBe('deleted 1 of 2\n')
    expect(await json(['delete', 'old'])).toMatchObject({ deleted: 0 })
  })

  it('are listed by prefix, each once, and the list may be cut off by its reader', async () => {
    await using client = await Perigee.connect({ addresses: { p: cluster.state().regions[0]?.grpc ?? '' } })
    const session = client.session()
    const keys = Array.from({ length: 2500 }, (_, i) => `list/${i}`)
    await session.cache('many').setMany(keys.map((key) => [key, 1]))
    const all = await run(['keys', '-n', 'many', '--prefix', 'list/', '--session', session.token])
    expect(all.stdout.trimEnd().split('\n').toSorted()).toEqual(keys.toSorted())
    const lines = (
      await run(['keys', '-n', 'many', '--limit', '3', '--session', session.token, '-o', 'json'])
    ).stdout
    expect(
      lines
        .trimEnd()
        .split('\n')
        .map((line) => Object.keys(JSON.parse(line))),
    ).toEqual([['key'], ['key'], ['key']])

    const child = startPerigee([
      'keys',
      '-n',
      'many',
      '--state',
      cluster.stateFile,
      '--session',
      session.token,
    ])
    let complaints = ''
    child.stderr.on('data', (chunk) => {
      complaints += chunk
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const [code] = await once(child, 'close')
    expect({ code, complaints }).toEqual({ code: 0, complaints: '' })
  })

  it('are refused with exit code 4 and what to do when the request is invalid', async () => {
    const ended = await run(['set', 'x', 'y', '-n', 'Not A Namespace', '-o', 'json'])
    expect(ended.exitCode).toBe(4)
    expect(JSON.parse(ended.stderr).error).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_FIELD',
    })
  })
})

describe('search', () => {
  it('answers the same in every region, nearest first', async () => {
    for (const region of REGIONS) {
      const { hits, receipt } = await json(['search', 'docs', '--vector', '[1, 0.1, 0]'], { region })
      expect(hits.map((hit: { id: string }) => hit.id)).toEqual(['east', 'north-east', 'north'])
      expect(receipt).toMatchObject({ region, fallback: false })
    }
  })

  it('prints a table, a hit a line', async () => {
    const { stdout } = await run(['search', 'docs', '--vector', '[1, 1, 0]', '-k', '1'])
    expect(stdout).toMatch(/^DISTANCE +ID +TEXT\n +-?0\.0000 +north-east +Points north-east\n$/)
  })

  it('takes a file of float32, and the vector of another chunk, which it leaves out', async () => {
    const file = join(cluster.dir, 'query.f32')
    await writeFile(file, Buffer.from(Float32Array.of(0, 1, 0).buffer))
    const byFile = await json(['search', 'docs', '--vector-file', file, '-k', '1'])
    expect(byFile.hits[0].id).toBe('north')
    const like = await json(['search', 'docs', '--like', 'north-east', '-k', '2'])
    expect(like.hits.map((hit: { id: string }) => hit.id).toSorted()).toEqual(['east', 'north'])
  })

  it.each([
    ['lang=en', ['east', 'north-east']],
    ['lang=en,year>=2024', ['north-east']],
    ['lang=de|fr', ['north']],
    ['lang!=en', ['north']],
    ['year=2023..2024', ['east', 'north']],
    ['text~points', ['east', 'north-east']],
    ['text!~points', ['north']],
  ])('filters by %s', async (filter, ids) => {
    const { hits } = await json(['search', 'docs', '--vector', '[1,0,0]', '--filter', filter])
    expect(hits.map((hit: { id: string }) => hit.id).toSorted()).toEqual(ids)
  })

  it.each([
    ['an index that is not there', ['search', 'nothing', '--vector', '[1,0,0]'], 3],
    ['a chunk that is not there', ['search', 'docs', '--like', 'west'], 3],
    ['no vector', ['search', 'docs'], 2],
    ['a vector that is no JSON', ['search', 'docs', '--vector', '1,0,0'], 2],
    ['a vector of another length', ['search', 'docs', '--vector', '[1,0]'], 4],
    ['an attribute that is not there', ['search', 'docs', '--vector', '[1,0,0]', '--filter', 'town=x'], 2],
  ])('names what is wrong: %s', async (_, args, exitCode) => {
    const ended = await run(args)
    expect(ended).toMatchObject({ exitCode, stdout: '' })
    expect(ended.stderr).toMatch(/^error: .+\nhint: .+\n$/)
  })
})

describe('indexes', () => {
  it('are listed', async () => {
    expect(await json(['index', 'list'])).toMatchObject({
      name: 'docs',
      dimensions: 3,
      algorithm: { type: 'flat' },
      model: { id: 'test/three', revision: '1' },
    })
    expect((await run(['index', 'list'])).stdout).toMatch(/^docs +3 +cosine +flat +float32 +test\/three@1$/m)
    expect(await run(['index', 'list', '-n', 'empty'])).toMatchObject({ exitCode: 0, stdout: '' })
  })

  it('are shown with the state of each region', async () => {
    const shown = await json(['index', 'show', 'docs'])
    expect(shown).toMatchObject({ name: 'docs', attributes: { lang: 'tag', year: 'numeric' } })
    await waitFor('every region to be known to serve', async () => {
      const { regions } = await json(['index', 'show', 'docs'])
      return REGIONS.every((name) =>
        regions.some(
          (r: { region: string; state: string; chunks: number }) =>
            r.region === name && r.state === 'serving' && r.chunks === 3,
        ),
      )
    })
    expect((await run(['index', 'show', 'docs'])).stdout).toMatch(
      /^attributes +lang \(tag\), year \(numeric\)$/m,
    )
    expect((await run(['index', 'show', 'nothing'])).exitCode).toBe(3)
  })
})

describe('status', () => {
  it('shows every region with role, position and lag', async () => {
    const status = await waitFor('lag to be known everywhere', async () => {
      const now = await json(['status'])
      const replicas = now.regions.filter((r: { role: string }) => r.role === 'replica')
      return replicas.length === 2 && replicas.every((r: { lagMs: number | null }) => r.lagMs !== null)
        ? now
        : undefined
    })
    expect(status.primaryRegion).toBe('us-east-1')
    for (const region of status.regions) {
      expect(region).toMatchObject({ state: 'serving', position: expect.stringMatching(/^\d+-\d+$/) })
    }
    const { stdout } = await run(['status'], { region: 'eu-west-1' })
    for (const name of REGIONS)
      expect(stdout).toMatch(new RegExp(`^${name} +(primary|replica) +serving +\\d+-\\d+ `, 'm'))
    expect(stdout).toContain('as eu-west-1 knows it')
  })

  it('goes on with --watch, one JSON document a line, until it is interrupted: exit code 130', async () => {
    const child = startPerigee([
      'status',
      '--watch',
      '--interval',
      '200ms',
      '-o',
      'json',
      '--state',
      cluster.stateFile,
    ])
    try {
      const seen: string[] = []
      for await (const line of createInterface({ input: child.stdout })) {
        seen.push(JSON.parse(line).primaryRegion)
        if (seen.length === 3) break
      }
      expect(seen).toEqual(['us-east-1', 'us-east-1', 'us-east-1'])
      child.kill('SIGINT')
      const [code] = await once(child, 'exit')
      expect(code).toBe(130)
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('is answered by another region when the nearest sidecar is down, but not when that one was asked for', async () => {
    await cluster.stopProcess('us-east-1', 'sidecar', 'SIGKILL')
    try {
      expect((await json(['status'])).region).not.toBe('us-east-1')
      expect((await run(['status'], { region: 'us-east-1' })).exitCode).toBe(5)
    } finally {
      await cluster.startProcess('us-east-1', 'sidecar')
    }
    await waitFor('writes again', async () => (await run(['set', 'warm', 'up'])).exitCode === 0)
  })
})

describe('lag', () => {
  it('is measured in every region, at least the distance, with a histogram', async () => {
    const ended = await run(['lag', '--all', '--samples', '20', '--interval', '10ms', '-o', 'json'])
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 })
    const measured = ended.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(measured.map((m) => m.toRegion)).toEqual(REGIONS)
    const p50 = Object.fromEntries(measured.map((m) => [m.toRegion, m.p50Ms]))
    expect(p50['eu-west-1']).toBeGreaterThan(33)
    expect(p50['ap-southeast-1']).toBeGreaterThan(103)
    for (const m of measured)
      expect(m).toMatchObject({ fromRegion: 'us-east-1', samples: 20, lagsMs: { length: 20 } })

    const { stdout } = await run(['lag', '--samples', '20', '--interval', '10ms'], { region: 'eu-west-1' })
    expect(stdout).toMatch(/^us-east-1 +eu-west-1( +[\d.]+ ms){6} +20 +0$/m)
    expect(stdout).toMatch(/^us-east-1 → eu-west-1\n.*█/m)
  })
})
