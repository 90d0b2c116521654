import type { OpenSide } from '../driver/side.ts'
import { openIoredisAutoGet, openIoredisGet } from './redis-get.ts'
import { openSdkGet, openSdkSessionGet } from './sdk-get.ts'
import { openIoredisAutoSet, openSdkSet } from './sets.ts'
import { openEchoGet, openUnaryGet } from './unary-get.ts'

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
}
