/** What a gRPC server takes from the network, whoever calls; `docs/limits.md` says what each protects from. */
export interface TrafficLimits {
  /** Connections in all. */
  readonly connectionsMax: number
  /** Connections from one address; of IPv6, from one /64. */
  readonly connectionsPerPeerMax: number
  /** Calls and streams that are open on one connection. */
  readonly streamsPerConnectionMax: number
  /** Of these, two-way ones. */
  readonly multiplexStreamsMax: number
  /** Calls in flight of one address; 0: nine tenths of all there may be. */
  readonly callsPerPeerMax: number
  /** Bytes of the headers of one call. */
  readonly headerBytesMax: number
  /** Bytes of requests not answered yet and of answers not taken yet, of all callers. */
  readonly bytesInFlightMax: number
  /** The same of one address. */
  readonly bytesPerPeerMax: number
  /** A connection on which no call was made for so long after it was opened is closed. */
  readonly firstCallMs: number
  /** And one without a call for so long. */
  readonly connectionIdleMs: number
  /** Connections this old are closed gracefully, so that clients spread anew; 0: never. */
  readonly connectionAgeMs: number
  /** How long calls may still run on a connection that is too old. */
  readonly connectionAgeGraceMs: number
  /** How long a message may take from its first byte to its last. */
  readonly messageMs: number
  /** How long a caller may take nothing of what it is sent. */
  readonly stallMs: number
  /** Calls a second of one principal; 0: as many as it likes. */
  readonly callsPerSecondMax: number
  /** How many of them may come at once after a while without; 0: as many as a second allows. */
  readonly callsBurstMax: number
}

const MIB = 1024 * 1024

export const DEFAULT_TRAFFIC_LIMITS: TrafficLimits = Object.freeze({
  connectionsMax: 10_000,
  connectionsPerPeerMax: 1000,
  // Above the limit of calls in flight, so that a client on one connection is told OVERLOADED instead of waiting.
  streamsPerConnectionMax: 11_000,
  multiplexStreamsMax: 100,
  callsPerPeerMax: 0,
  headerBytesMax: 16 * 1024,
  bytesInFlightMax: 256 * MIB,
  bytesPerPeerMax: 128 * MIB,
  firstCallMs: 8000,
  connectionIdleMs: 300_000,
  connectionAgeMs: 0,
  connectionAgeGraceMs: 60_000,
  messageMs: 10_000,
  stallMs: 10_000,
  callsPerSecondMax: 0,
  callsBurstMax: 0,
})
