import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'

const MAIN = join(dirname(findPackageJSON('@perigee/sidecar', import.meta.url) ?? ''), 'dist/main.js')

/** Nothing listens on port 1, so its Redis and peers stay down. */
const SETTINGS = {
  PERIGEE_REGION: 'eu-west-1',
  PERIGEE_REGIONS: 'us-east-1,eu-west-1',
  PERIGEE_PRIMARY: 'us-east-1',
  PERIGEE_GRPC_LISTEN: '127.0.0.1:0',
  PERIGEE_HTTP_LISTEN: '127.0.0.1:0',
  PERIGEE_DATA_REDIS: 'redis://:hidden@127.0.0.1:1',
  PERIGEE_INDEX_REDIS: 'redis://127.0.0.1:1',
  PERIGEE_PEERS: 'us-east-1=127.0.0.1:1',
}

const kills: (() => void)[] = []

afterEach(() => {
  for (const kill of kills.splice(0)) kill()
})

function start(settings: Record<string, string>, args: string[] = []) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH ?? '', ...settings },
  })
  kills.push(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (data) => {
    output.stdout += data
  })
  child.stderr.setEncoding('utf8').on('data', (data) => {
    output.stderr += data
  })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  return { child, output, exit }
}

it('a sidecar serves while its Redis and its peers are down, prints nothing to stdout, and exits with 0 on SIGTERM', async () => {
  const { child, output, exit } = start(SETTINGS)
  await waitFor('it to serve', () => output.stderr.includes('"msg":"serving"'), {
    explain: () => output.stderr,
  })
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  expect(output.stdout).toBe('')
  for (const line of output.stderr.trim().split('\n'))
    expect(JSON.parse(line)).toMatchObject({ region: 'eu-west-1' })
})

it('a sidecar with wrong settings names all of them and exits with 2', async () => {
  const { output, exit } = start({
    ...SETTINGS,
    PERIGEE_REGION: 'mars',
    PERIGEE_LEASE_MS: 'x',
    PERIGEE_DATA_REDIS: '',
  })
  expect(await exit).toBe(2)
  expect(output.stderr).toContain('PERIGEE_LEASE_MS must be a whole number')
  expect(output.stderr).toContain('PERIGEE_DATA_REDIS is required')
})

it('a sidecar whose port is taken says which, and exits with 1', async () => {
  const first = start({ ...SETTINGS })
  const serving = await waitFor('it to serve', () => /"port":(\d+)/.exec(first.output.stderr)?.[1])
  const second = start({ ...SETTINGS, PERIGEE_GRPC_LISTEN: `127.0.0.1:${serving}` })
  expect(await second.exit).toBe(1)
  expect(second.output.stderr).toContain(serving)
})

it('--print-config shows every setting as JSON, without passwords', async () => {
  const { output, exit } = start(SETTINGS, ['--print-config', '--lease-ms', '3000'])
  expect(await exit).toBe(0)
  expect(JSON.parse(output.stdout)).toMatchObject({ leaseMs: 3000, dataRedis: 'redis://***@127.0.0.1:1' })
  expect(output.stdout).not.toContain('hidden')
})
