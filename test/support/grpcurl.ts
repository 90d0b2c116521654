import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const VERSION = 'v1.9.3'

/** The folder that holds grpcurl: installed once into the user's cache by the Go toolchain. */
export async function grpcurlFolder(): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'perigee')
  const folder = join(cache, `grpcurl-${VERSION}`)
  if (await answers(folder)) return folder
  await mkdir(cache, { recursive: true })
  const fresh = await mkdtemp(join(cache, 'grpcurl-'))
  await run('go', ['install', `github.com/fullstorydev/grpcurl/cmd/grpcurl@${VERSION}`], {
    env: { ...process.env, GOBIN: fresh },
    timeout: 240_000,
  })
  // Another test run may have been faster.
  await rename(fresh, folder).catch(() => rm(fresh, { recursive: true, force: true }))
  return folder
}

async function answers(folder: string): Promise<boolean> {
  return run(join(folder, 'grpcurl'), ['-version']).then(
    () => true,
    () => false,
  )
}
