import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * A Node 20, the oldest that is supported: the machine's own when it is one, else the npm package of its binary,
 * installed into `folder`.
 */
export async function node20(folder: string): Promise<string> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(directory, 'node')
    if ((await versionOf(candidate))?.startsWith('v20.')) return candidate
  }
  const name = `node-${process.platform}-${process.arch}`
  await run(
    'npm',
    ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts', `${name}@^20.19`],
    {
      timeout: 100_000,
    },
  )
  const installed = join(folder, 'node_modules', name, 'bin', 'node')
  await access(installed)
  return installed
}

/** `undefined` when there is none. */
export async function versionOf(node: string): Promise<string | undefined> {
  try {
    return (await run(node, ['--version'])).stdout.trim()
  } catch {
    return undefined
  }
}
