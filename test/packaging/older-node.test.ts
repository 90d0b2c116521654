import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { node20 } from './node-20.ts'

const program = fileURLToPath(new URL('../../apps/cli/bin/perigee.js', import.meta.url))

it('the perigee command, run by Node 20, names the Node that it needs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'perigee-older-node-'))
  try {
    const failed = await promisify(execFile)(await node20(folder), [program, '--help']).catch(
      (error) => error,
    )
    expect(failed.code).toBe(1)
    expect(failed.stderr).toMatch(/^error: perigee needs Node 24, this is v20\..*\nhint: .*npx perigee.*\n$/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
