export { findRedis } from './find-redis.ts'
export type { RedisInstallation } from './installation.ts'
export { guardPid, removeTemporaryFolder, spawnGuarded, temporaryFolder } from './process-guard.ts'
export { type ConfigLine, type RedisOptions, RedisProcess } from './redis-process.ts'
export { type RedisAddress, type RedisUser, type Reply, redisCall, redisCommand } from './resp.ts'
export {
  type ServerExit,
  type ServerLaunch,
  ServerProcess,
  type ServerProcessOptions,
} from './server-process.ts'
export { startRedis } from './start-redis.ts'
export { cacheFolder, type FetchOptions, fetchWheelFile, type WheelFile } from './wheel-file.ts'
