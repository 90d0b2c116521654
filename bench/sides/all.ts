import type { OpenSide } from '../driver/side.ts'
import { openRedisForward, openSdkForward } from './forward.ts'
import { openRedisLag, openSdkIndexLag, openSdkLag } from './lag.ts'
import { openRawFill, openRawHset } from './raw-fill.ts'
import { openIoredisAutoGet, openIoredisGet } from './redis-get.ts'
import { openSdkGet, openSdkSessionGet } from './sdk-get.ts'
import { openIoredisSearch, openNodeRedisSearch, openSdkSearch } from './searches.ts'
import { openIoredisAutoSet, openSdkSet } from './sets.ts'
import { openEchoGet, openUnaryGet } from './unary-get.ts'
import { openSdkUpsert } from './upsert.ts'

/** Every side, by the name that experiments and reports call it. */
export const openers: Readonly<Record<string, OpenSide>> = {
  'sdk-get': openSdkGet,
  'sdk-session-get': openSdkSessionGet,
  'ioredis-get': openIoredisGet,
  'ioredis-auto-get': openIoredisAutoGet,
  'unary-get': openUnaryGet,
  'echo-get': openEchoGet,
  'sdk-set': openSdkSet,
  'ioredis-auto-set': openIoredisAutoSet,
  'sdk-search': openSdkSearch,
  'ioredis-search': openIoredisSearch,
  'node-redis-search': openNodeRedisSearch,
  'sdk-upsert': openSdkUpsert,
  'raw-fill': openRawFill,
  'raw-hset': openRawHset,
  'sdk-lag': openSdkLag,
  'redis-lag': openRedisLag,
  'sdk-index-lag': openSdkIndexLag,
  'sdk-forward': openSdkForward,
  'redis-forward': openRedisForward,
}
