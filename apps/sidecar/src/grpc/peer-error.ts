import { type ServiceError, status } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY, type StatusDetails } from '@perigee/protocol'
import { StatusError } from '../status-error.ts'

/** No answer from another region's sidecar. */
export class PeerUnreachable extends Error {
  override name = 'PeerUnreachable'
  readonly region: string
  /** Whether the request may have arrived. */
  readonly sent: boolean

  constructor(region: string, sent: boolean, message: string) {
    super(message)
    this.region = region
    this.sent = sent
  }
}

/** Another region's sidecar doesn't take this one for a sidecar, and did nothing. */
export class PeerRefused extends PeerUnreachable {
  constructor(region: string, why: string) {
    const what = 'give all sidecars the same PERIGEE_PEER_TOKEN_FILE, or certificates with names of sidecars'
    super(region, false, `the sidecar of ${region} doesn't take this one for a sidecar: ${what} (${why})`)
  }
}

/** What a peer answered a unary call or stream of answers. */
export function answeredError(region: string, error: ServiceError): Error {
  const [trailer] = error.metadata?.get(STATUS_DETAILS_KEY) ?? []
  return peerError(region, error, trailer instanceof Buffer ? decodeStatusDetails(trailer) : {})
}

/** What the peer answered, or that nobody knows whether it did anything. */
export function peerError(
  region: string,
  error: Pick<ServiceError, 'code' | 'details'>,
  details: StatusDetails,
): Error {
  const code = statusName(error.code)
  // What is said of this sidecar is none of its callers' business.
  if (details.reason === 'UNAUTHENTICATED' || details.reason === 'NOT_ALLOWED') {
    return new PeerRefused(region, error.details)
  }
  const transport = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' || code === 'CANCELLED'
  if ((transport || brokeOff(error)) && !details.reason) {
    return new PeerUnreachable(region, true, `the sidecar of ${region} did not answer (${error.details})`)
  }
  return new StatusError(code, error.details, details)
}

/** grpc-js's own words, with INTERNAL, for a connection that was ended with calls under way on it. */
function brokeOff({ code, details }: Pick<ServiceError, 'code' | 'details'>): boolean {
  return code === status.INTERNAL && /^(Received RST_STREAM|Session closed)/.test(details)
}
