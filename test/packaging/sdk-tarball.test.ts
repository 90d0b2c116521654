import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { node20, versionOf } from './node-20.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What an outsider's first program does, in an async function called `main`. */
const PROGRAM = `
async function main() {
  const { region, dns, namespace } = JSON.parse(process.argv[2])
  const perigee = await Perigee.connect({ domain: 'rag.internal', regions: ['us-east-1', 'eu-west-1'], region, dns })
  const session = perigee.session()
  const cache = session.cache(namespace, { codec: json() })
  await cache.set('a', { n: 1 }, { ttlMs: 60000 })
  const docs = session.index('docs-' + namespace, { model: { id: 'm', revision: '1' } })
  await docs.ensureIndex({ dimensions: 2, attributes: { lang: 'tag' } })
  await docs.upsert([
    { id: 'x', text: 'near', vector: [1, 0], metadata: { lang: 'en' } },
    { id: 'y', text: 'far', vector: [0, 1], metadata: { lang: 'de' } },
  ])
  const hits = await docs.search([1, 0], { filter: { lang: 'en' } })
  const refused = await docs.search([1]).catch((error) => error)
  console.log(JSON.stringify({
    value: await cache.get('a'),
    hits: hits.map((hit) => hit.text),
    refused: refused instanceof PerigeeError && refused.reason,
    token: session.token.length > 0,
  }))
  await perigee.close()
}
main()
`

let folder: string
let project: string
let node20Path: string
let cluster: LocalCluster

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perigee-packaging-'))
  project = join(folder, 'project')
  await mkdir(project)
  await run('npm', ['pack', '--workspace', 'packages/sdk', '--pack-destination', folder], { cwd: root })
  await writeFile(join(project, 'package.json'), '{ "name": "outsider", "private": true }')
  const tarball = join(folder, 'perigee-sdk-0.1.0.tgz')
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', tarball], {
    cwd: project,
    timeout: 100_000,
  })
  await writeFile(
    join(project, 'esm.mjs'),
    `import { json, Perigee, PerigeeError } from '@perigee/sdk'\n${PROGRAM}`,
  )
  await writeFile(
    join(project, 'cjs.cjs'),
    `const { json, Perigee, PerigeeError } = require('@perigee/sdk')\n${PROGRAM}`,
  )
  node20Path = await node20(join(folder, 'node20'))
  cluster = await LocalCluster.start({ regions: ['us-east-1', 'eu-west-1'], sentinel: false })
})

afterAll(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('the packed SDK in an empty project', () => {
  it('brings all it needs, and nothing of this repository', async () => {
    const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8'))
    const names = Object.keys(lock.packages)
    expect(names).toContain('node_modules/@perigee/sdk')
    expect(names.filter((name) => name.includes('@perigee/'))).toEqual(['node_modules/@perigee/sdk'])
  })

  it.each([
    ['v20.', 'esm.mjs'],
    ['v20.', 'cjs.cjs'],
    ['v24.', 'esm.mjs'],
    ['v24.', 'cjs.cjs'],
  ])('works on Node %s, %s, and lets the process end', async (version, program) => {
    const node = version === 'v20.' ? node20Path : process.execPath
    expect(await versionOf(node)).toMatch(new RegExp(`^${version.replace('.', '\\.')}`))
    const dns = cluster.state().regions.find(({ name }) => name === 'eu-west-1')?.dns
    const namespace = `${version.slice(0, 3)}-${program.slice(0, 3)}`
    const options = JSON.stringify({ region: 'eu-west-1', dns, namespace })
    const { stdout, stderr } = await run(node, [join(project, program), options], {
      cwd: project,
      timeout: 30_000,
    })
    expect(JSON.parse(stdout)).toEqual({
      value: { n: 1 },
      hits: ['near'],
      refused: 'DIMENSION_MISMATCH',
      token: true,
    })
    // Node 20 says that require() of an ES module is experimental; nothing else may be said.
    expect(stderr.replaceAll(/.*ExperimentalWarning: .*\n|.*--trace-warnings .*\n/g, '')).toBe('')
  })

  it('has types that hold by themselves', async () => {
    await writeFile(
      join(project, 'typed.mts'),
      `import { json, Perigee, type Hits, type StatusName } from '@perigee/sdk'
       const perigee = await Perigee.connect({ addresses: { a: '127.0.0.1:7700' } })
       const numbers = perigee.cache('n', { codec: json<number>() })
       const n: number | undefined = await numbers.get('a')
       const any = perigee.cache<{ a: string }>('any')
       const a: string | undefined = (await any.get('a'))?.a
       const hits: Hits = await perigee.index('docs').search([n ?? 0], { filter: { lang: ['en'], year: { min: 1 } } })
       // @ts-expect-error a number is no string
       await any.set('a', { a: 1 })
       // @ts-expect-error there is no such status
       const status: StatusName = 'NO_SUCH'
       export { a, hits, status }`,
    )
    const options = [
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
      '--strict',
    ]
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
    const tsc = join(root, 'node_modules/.bin/tsc')
    await run(tsc, ['--noEmit', '--skipLibCheck', 'false', ...options, ...types, 'typed.mts'], {
      cwd: project,
    }).catch((error) => expect.unreachable(error.stdout))
  })
})
