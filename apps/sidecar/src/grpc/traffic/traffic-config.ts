import type { Limits } from '@perigee/core'
import type { z } from 'zod'
import { whole } from '../../whole-setting.ts'
import { DEFAULT_TRAFFIC_LIMITS, type TrafficLimits } from './traffic-limits.ts'

const DAY_MS = 86_400_000
const COUNT_MAX = 1_000_000
const preset = DEFAULT_TRAFFIC_LIMITS

/** The settings of what is taken from the network, without `PERIGEE_`. */
export const TRAFFIC_SETTINGS = {
  CONNECTIONS_MAX: whole(1, COUNT_MAX, preset.connectionsMax),
  CONNECTIONS_PER_PEER_MAX: whole(1, COUNT_MAX, preset.connectionsPerPeerMax),
  /** 0: by the calls in flight. */
  STREAMS_PER_CONNECTION_MAX: whole(0, COUNT_MAX, 0),
  MULTIPLEX_STREAMS_MAX: whole(1, COUNT_MAX, preset.multiplexStreamsMax),
  CALLS_PER_PEER_MAX: whole(0, COUNT_MAX, preset.callsPerPeerMax),
  HEADER_BYTES_MAX: whole(1024, 1024 * 1024, preset.headerBytesMax),
  BYTES_IN_FLIGHT_MAX: whole(1024, Number.MAX_SAFE_INTEGER, preset.bytesInFlightMax),
  BYTES_PER_PEER_MAX: whole(1024, Number.MAX_SAFE_INTEGER, preset.bytesPerPeerMax),
  FIRST_CALL_MS: whole(100, DAY_MS, preset.firstCallMs),
  CONNECTION_IDLE_MS: whole(1000, DAY_MS, preset.connectionIdleMs),
  CONNECTION_AGE_MS: whole(0, 30 * DAY_MS, preset.connectionAgeMs),
  CONNECTION_AGE_GRACE_MS: whole(0, DAY_MS, preset.connectionAgeGraceMs),
  MESSAGE_MS: whole(100, DAY_MS, preset.messageMs),
  STALL_MS: whole(100, DAY_MS, preset.stallMs),
  CALLS_PER_SECOND_MAX: whole(0, COUNT_MAX, preset.callsPerSecondMax),
  CALLS_BURST_MAX: whole(0, COUNT_MAX, preset.callsBurstMax),
  HTTP_CONNECTIONS_MAX: whole(1, COUNT_MAX, 500),
} as const

/** What is taken from the network. */
export interface TrafficConfig extends TrafficLimits {
  /** Connections to the HTTP port. */
  readonly httpConnectionsMax: number
}

/** Reads the settings of what is taken from the network. */
export function trafficConfigOf(
  s: z.infer<z.ZodObject<typeof TRAFFIC_SETTINGS>>,
  { messageBytesMax, callsInFlightMax }: Pick<Limits, 'messageBytesMax' | 'callsInFlightMax'>,
  problems: string[],
): TrafficConfig {
  if (s.BYTES_PER_PEER_MAX < 2 * messageBytesMax) {
    problems.push('PERIGEE_BYTES_PER_PEER_MAX must be at least twice PERIGEE_MESSAGE_BYTES_MAX')
  }
  if (s.BYTES_IN_FLIGHT_MAX < s.BYTES_PER_PEER_MAX) {
    problems.push('PERIGEE_BYTES_IN_FLIGHT_MAX must be at least PERIGEE_BYTES_PER_PEER_MAX')
  }
  if (s.CALLS_BURST_MAX > 0 && s.CALLS_PER_SECOND_MAX === 0) {
    problems.push('PERIGEE_CALLS_BURST_MAX needs PERIGEE_CALLS_PER_SECOND_MAX')
  }
  return Object.freeze({
    connectionsMax: s.CONNECTIONS_MAX,
    connectionsPerPeerMax: s.CONNECTIONS_PER_PEER_MAX,
    streamsPerConnectionMax: s.STREAMS_PER_CONNECTION_MAX || callsInFlightMax + SPARE_STREAMS,
    multiplexStreamsMax: s.MULTIPLEX_STREAMS_MAX,
    callsPerPeerMax: s.CALLS_PER_PEER_MAX,
    headerBytesMax: s.HEADER_BYTES_MAX,
    bytesInFlightMax: s.BYTES_IN_FLIGHT_MAX,
    bytesPerPeerMax: s.BYTES_PER_PEER_MAX,
    firstCallMs: s.FIRST_CALL_MS,
    connectionIdleMs: s.CONNECTION_IDLE_MS,
    connectionAgeMs: s.CONNECTION_AGE_MS,
    connectionAgeGraceMs: s.CONNECTION_AGE_GRACE_MS,
    messageMs: s.MESSAGE_MS,
    stallMs: s.STALL_MS,
    callsPerSecondMax: s.CALLS_PER_SECOND_MAX,
    callsBurstMax: s.CALLS_BURST_MAX,
    httpConnectionsMax: s.HTTP_CONNECTIONS_MAX,
  })
}

/** More than calls in flight, so that a client on one connection is told OVERLOADED instead of waiting. */
const SPARE_STREAMS = 1000
