import type { Message } from '@bufbuild/protobuf'
import { CacheService } from '@perigee/protocol'
import type { AdapterContext } from '../grpc/adapter.ts'
import type { Principal } from '../security/principal.ts'
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
  frame: Buffer,
  { limits, defaultTtlMs }: MultiplexOptions,
  { checkRequest, access }: AdapterContext,
  principal: Principal,
): Groups {
  const rights = access.rightsOf(principal)
  const check = (request: Message) => checkRequest(CacheService.method.set, request)
  return {
    gets: new GetGroups(frame, limits, rights),
    sets: new SetGroups({ limits, defaultTtlMs, rights, check }),
  }
}
