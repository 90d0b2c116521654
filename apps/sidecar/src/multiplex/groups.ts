import type { Message } from '@bufbuild/protobuf'
import { CacheService } from '@perigee/protocol'
import type { AdapterContext } from '../grpc/adapter.ts'
import { GetGroups } from './get-group.ts'
import type { MultiplexOptions } from './multiplex-service.ts'
import { SetGroups } from './set-group.ts'

/** What of a frame is done together. */
export interface Groups {
  readonly gets: GetGroups
  readonly sets: SetGroups
}

/** The groups of a frame, empty. */
export function newGroups(
  { limits, defaultTtlMs }: MultiplexOptions,
  { checkRequest }: AdapterContext,
): Groups {
  const check = (request: Message) => checkRequest(CacheService.method.set, request)
  return { gets: new GetGroups(limits), sets: new SetGroups({ limits, defaultTtlMs, check }) }
}
