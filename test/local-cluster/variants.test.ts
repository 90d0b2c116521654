import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeTemporaryFolder, temporaryFolder } from '@perigee/embedded-redis'
import { LocalCluster } from '@perigee/local-cluster'
import { afterAll, beforeAll, expect, it } from 'vitest'

/** A program that is ready at once, and tells which one it is and an environment variable. */
const program = (title: string) => `
  import { createServer } from 'node:http'
  const [host, port] = process.env.PERIGEE_HTTP_LISTEN.split(':')
  createServer((_, response) => response.end('${title} ' + process.env.PERIGEE_LOG_LEVEL)).listen(port, host)
`

let dir: string
let cluster: LocalCluster

beforeAll(async () => {
  dir = temporaryFolder()
  for (const title of ['one', 'two']) writeFileSync(join(dir, `${title}.mjs`), program(title))
  cluster = await LocalCluster.start({
    regions: ['a', 'b'],
    distances: 'none',
    sentinel: false,
    // These sidecars open none.
    gate: false,
    sidecarMain: join(dir, 'one.mjs'),
    sidecarEnv: { PERIGEE_LOG_LEVEL: 'warn' },
  })
})
afterAll(async () => {
  await cluster?.stop()
  await removeTemporaryFolder(dir)
})

async function told(region: string): Promise<string> {
  const http = cluster.state().regions.find(({ name }) => name === region)?.http
  return await (await fetch(`http://${http}/readyz`)).text()
}

it('runs another sidecar in all regions, and a variant of it in one from start to start', async () => {
  expect([await told('a'), await told('b')]).toEqual(['one warn', 'one warn'])

  await cluster.stopProcess('b', 'sidecar', 'SIGKILL')
  const variant = { main: join(dir, 'two.mjs'), env: { PERIGEE_LOG_LEVEL: 'debug' } }
  await cluster.startProcess('b', 'sidecar', variant)
  expect([await told('a'), await told('b')]).toEqual(['one warn', 'two debug'])
  await expect(cluster.startProcess('b', 'sidecar', {})).rejects.toThrow('stop it first')

  await cluster.stopProcess('b', 'sidecar', 'SIGKILL')
  await cluster.startProcess('b', 'sidecar')
  expect(await told('b')).toBe('two debug')

  await cluster.stopProcess('b', 'sidecar', 'SIGKILL')
  await cluster.startProcess('b', 'sidecar', {})
  expect(await told('b')).toBe('one warn')
})
